//! Names as Kubernetes reads them.

/// RFC 1123 label, as Kubernetes reads it.
pub(super) fn is_label(name: &str) -> bool {
    name.len() <= 63 && is_segment(name)
}

/// RFC 1123 subdomain, as Kubernetes reads it.
pub(in crate::operator) fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_segment)
}

fn is_segment(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ends = !text.starts_with('-') && !text.ends_with('-');
    !text.is_empty() && ends && text.chars().all(allowed)
}
