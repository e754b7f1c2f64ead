//! Names that an administrator lists: compared without case, with one `*` in each at most.

/// A list of allowed names. Without any it allows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(Vec<Name>);

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// In lower case, up to the `*`.
    before: String,
    /// What follows the `*`; `None`: there is none.
    after: Option<String>,
}

impl Name {
    /// Reads an entry; `None` where it is empty, or `*` is in it twice.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.to_lowercase();
        if text.is_empty() || text.matches('*').count() > 1 {
            return None;
        }
        Some(match text.split_once('*') {
            Some((before, after)) => Self {
                before: before.to_owned(),
                after: Some(after.to_owned()),
            },
            None => Self {
                before: text,
                after: None,
            },
        })
    }

    fn is(&self, lower: &str) -> bool {
        match &self.after {
            None => lower == self.before,
            Some(after) => lower
                .strip_prefix(self.before.as_str())
                .is_some_and(|rest| rest.ends_with(after.as_str())),
        }
    }

    /// A domain has a dot, and a GUID none.
    fn may_be_guid(&self) -> bool {
        !self.before.contains('.') && !self.after.as_deref().unwrap_or_default().contains('.')
    }
}

impl Names {
    /// Whether `name` is on the list.
    pub fn allow(&self, name: &str) -> bool {
        let lower = name.to_lowercase();
        self.0.iter().any(|entry| entry.is(&lower))
    }

    /// Whether a GUID can be on it.
    pub(super) fn may_hold_guid(&self) -> bool {
        self.0.iter().any(Name::may_be_guid)
    }
}

impl FromIterator<Name> for Names {
    fn from_iter<I: IntoIterator<Item = Name>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}
