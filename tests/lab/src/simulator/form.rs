//! The form of a token request.
//!
//! An empty value counts as absent: the real service answers 900144 for both.

/// Content type of a form.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// Parsed form parameters in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Form {
    pairs: Vec<(String, String)>,
}

impl Form {
    pub(crate) fn parse(body: &[u8]) -> Self {
        Self {
            pairs: url::form_urlencoded::parse(body).into_owned().collect(),
        }
    }

    /// These parameters.
    pub(crate) fn of<const N: usize>(pairs: [(&str, &String); N]) -> Self {
        let owned = |(name, value): (&str, &String)| (name.to_owned(), value.clone());
        Self {
            pairs: pairs.into_iter().map(owned).collect(),
        }
    }

    /// The value of a parameter, if it is there and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let pair = self.pairs.iter().find(|(key, _)| key == name);
        pair.map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// Undoes percent escapes of one path segment or header part; a plus sign stays one.
pub(crate) fn percent_decode(text: &str) -> String {
    let single = text.replace('&', "%26").replace('=', "%3D").replace('+', "%2B");
    url::form_urlencoded::parse(single.as_bytes())
        .map(|(name, _)| name.into_owned())
        .next()
        .unwrap_or_default()
}
