//! Keyed hashes, a type for each thing that is hashed: none is ever compared with another's.
//!
//! The hash of a login content is [`super::record::ContentMac`], that of an account [`super::identity::AccountTag`].

/// Of a request and the account for which it is made: what a token answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RequestMac(pub String);

/// Of the keys of a token Secret, as the spec asks for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ShapeMac(pub String);

/// Of the scopes of all entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ScopesMac(pub String);

/// Of what belongs to a login's content without being in its Secret: authority, tenant, client and realm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TargetMac(pub String);

/// Of what a client proves itself with; for a client that proves itself with nothing that is read, what stands for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientMac(pub String);

/// Of the authority's host and the user name, trimmed and in lower case: the account behind a login.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserMac(pub String);

/// Of a refresh token: which one is stored, whatever clocks say of when it came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RefreshTokenMac(pub String);
