//! What people show who they are with: tokens, of which only the digest is kept, and keys, of
//! which only the public half is.

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::core::{Diagnose, Digest, Exit, Name, Outcome, Stamp, UserName};
use crate::domain::Extra;
use crate::domain::approval::signature::Public;
use crate::domain::approval::{Approval, ApprovalError, Proof, Verdict};
use crate::store::{Commit, Dir, Doc, Expect, Key, Put, Scope, encode};

/// A token that was given to a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenDocument {
    /// The format.
    pub schema: String,
    /// What it is known by.
    pub id: Name,
    /// Whose it is.
    pub user: UserName,
    /// The digest of the token.
    pub digest: Digest,
    /// When it was made.
    pub created_at: Stamp,
    /// Since when it does not count any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Stamp>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A key whose signatures count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyDocument {
    /// The format.
    pub schema: String,
    /// What it is known by.
    pub id: Name,
    /// Whose it is.
    pub user: UserName,
    /// The public key, as its file has it.
    pub public_key: String,
    /// When it was trusted.
    pub created_at: Stamp,
    /// Since when it does not count any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Stamp>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

const TOKEN_SCHEMA: &str = "clawteam.approval-token/1";
const KEY_SCHEMA: &str = "clawteam.approval-key/1";

fn token_key(id: &Name) -> Key {
    Dir::tokens().entry(&format!("{id}.json"))
}

fn trusted_key(id: &Name) -> Key {
    Dir::trusted_keys().entry(&format!("{id}.json"))
}

/// What somebody showed does not count.
#[derive(Debug, thiserror::Error)]
pub(super) enum CredentialError {
    /// The token is not one that was given out, or was taken back.
    #[error("CLAWTEAM_TOKEN holds no token that is valid here")]
    BadToken,
    /// The key is not trusted, or not any more.
    #[error("the key {0} is not trusted here")]
    Untrusted(Name),
    /// The text is no key.
    #[error("this is no key: {0}")]
    NoKey(String),
    /// There is no such token or key.
    #[error("there is no {what} '{id}'")]
    NotFound {
        /// A token or a key.
        what: &'static str,
        /// What was asked for.
        id: Name,
    },
}

impl Diagnose for CredentialError {
    fn code(&self) -> &'static str {
        match self {
            Self::BadToken => "invalid_token",
            Self::Untrusted(_) => "untrusted_key",
            Self::NoKey(_) => "invalid_key",
            Self::NotFound { .. } => "credential_not_found",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::BadToken => "make one: clawteam approval token new USER".into(),
            Self::Untrusted(_) => "trust it: clawteam approval key trust PUBLICKEY".into(),
            Self::NoKey(_) => "make one: clawteam approval key new FILE".into(),
            Self::NotFound { what, .. } => format!("list them: clawteam approval {what} list"),
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NotFound { .. } => Exit::NotFound,
            Self::NoKey(_) => Exit::Invalid,
            Self::BadToken | Self::Untrusted(_) => Exit::Forbidden,
        }
    }
}

/// Makes a token for a person. It is shown now and never again.
pub fn new_token(app: &App, user: &UserName) -> Outcome<(String, TokenDocument)> {
    let token = format!("ctk_{}{}", app.ids.hex(32), app.ids.hex(32));
    let digest = Digest::of(token.as_bytes());
    let document = TokenDocument {
        schema: TOKEN_SCHEMA.to_owned(),
        id: id_of(&digest),
        user: user.clone(),
        digest,
        created_at: app.stamp(),
        revoked_at: None,
        extra: Extra::new(),
    };
    let put = Put::new(token_key(&document.id), encode(&document), Expect::Absent);
    app.store.backend().create(&Put { secret: true, ..put })?;
    Ok((token, document))
}

fn id_of(digest: &Digest) -> Name {
    Name::parse(digest.start(12)).expect("hexadecimal digits are a good name")
}

/// All tokens that were given out.
pub fn tokens(app: &App) -> Outcome<Vec<TokenDocument>> {
    let found = app.store.list::<TokenDocument>(&Dir::tokens(), is_document)?;
    Ok(found.into_iter().map(|(_, doc)| doc.value).collect())
}

fn is_document(name: &str) -> bool {
    name.strip_suffix(".json").is_some_and(|stem| Name::parse(stem).is_ok())
}

/// Whose token this is.
pub(super) fn holder(app: &App, token: &str) -> Outcome<UserName> {
    let digest = Digest::of(token.as_bytes());
    let found: Option<Doc<TokenDocument>> = app.store.load(&token_key(&id_of(&digest)))?;
    let valid = found.filter(|doc| doc.value.digest == digest && doc.value.revoked_at.is_none());
    Ok(valid.ok_or(CredentialError::BadToken)?.value.user)
}

/// Takes a token back.
pub fn revoke_token(app: &App, id: &Name) -> Outcome<TokenDocument> {
    let mut locked = app.store.lock(&Scope::Credentials)?;
    let found: Option<Doc<TokenDocument>> = app.store.load(&token_key(id))?;
    let mut doc = found.ok_or(CredentialError::NotFound { what: "token", id: id.clone() })?;
    doc.value.revoked_at.get_or_insert(app.stamp());
    let put = Put::new(token_key(id), encode(&doc.value), Expect::Revision(doc.revision));
    locked.commit(&Commit { puts: vec![Put { secret: true, ..put }], ..Commit::default() })?;
    Ok(doc.value)
}

/// Lets the signatures of a key count as those of a person.
pub fn trust_key(app: &App, public: &str, user: &UserName) -> Outcome<KeyDocument> {
    let key = Public::parse(public).ok_or_else(|| CredentialError::NoKey(public.to_owned()))?;
    let document = KeyDocument {
        schema: KEY_SCHEMA.to_owned(),
        id: key.id(),
        user: user.clone(),
        public_key: key.text(),
        created_at: app.stamp(),
        revoked_at: None,
        extra: Extra::new(),
    };
    let mut locked = app.store.lock(&Scope::Credentials)?;
    let key = trusted_key(&document.id);
    let found: Option<Doc<KeyDocument>> = app.store.load(&key)?;
    locked.put(key, &document, found.map(|doc| doc.revision))?;
    Ok(document)
}

/// All keys that were ever trusted.
pub fn keys(app: &App) -> Outcome<Vec<KeyDocument>> {
    let found = app.store.list::<KeyDocument>(&Dir::trusted_keys(), is_document)?;
    Ok(found.into_iter().map(|(_, doc)| doc.value).collect())
}

/// A key that is trusted now.
pub(super) fn trusted(app: &App, id: &Name) -> Outcome<KeyDocument> {
    let found: Option<Doc<KeyDocument>> = app.store.load(&trusted_key(id))?;
    let valid = found.filter(|doc| doc.value.revoked_at.is_none());
    Ok(valid.ok_or_else(|| CredentialError::Untrusted(id.clone()))?.value)
}

/// Does not trust a key any more. What rests on its signatures does not pass from now on.
pub fn revoke_key(app: &App, id: &Name) -> Outcome<KeyDocument> {
    let mut locked = app.store.lock(&Scope::Credentials)?;
    let found: Option<Doc<KeyDocument>> = app.store.load(&trusted_key(id))?;
    let mut doc = found.ok_or(CredentialError::NotFound { what: "key", id: id.clone() })?;
    doc.value.revoked_at.get_or_insert(app.stamp());
    locked.put(trusted_key(id), &doc.value, Some(doc.revision))?;
    Ok(doc.value)
}

/// Whether every signature that an approval rests on holds: by a key that is still trusted as that
/// of whoever answered, under this answer. Those that must be signed need one each.
pub(super) fn check_signatures(app: &App, approval: &Approval) -> Outcome<()> {
    let mut signed = 0_usize;
    for decision in approval.assents() {
        let bad = |why: &str| ApprovalError::BadSignature {
            id: approval.id.to_string(),
            actor: decision.actor.clone(),
            why: why.to_owned(),
        };
        let Some(sig) = &decision.sig else {
            if approval.require_signature || decision.proof == Proof::Signature {
                return Err(bad("there is none").into());
            }
            continue;
        };
        let key = trusted(app, &sig.key)?;
        let public = Public::parse(&key.public_key);
        let public = public.ok_or_else(|| bad("the trusted key cannot be understood"))?;
        if format!("human:{}", key.user) != decision.actor || public.id() != sig.key {
            return Err(bad("it is by the key of somebody else").into());
        }
        if !public.holds(sig, approval, Verdict::Approve, &decision.comment) {
            return Err(bad("it is not one under this answer to this request").into());
        }
        signed += 1;
    }
    if approval.require_signature && signed < approval.quorum as usize {
        let id = approval.id.to_string();
        let why = format!("{signed} of {} are there", approval.quorum);
        return Err(ApprovalError::BadSignature { id, actor: "somebody".to_owned(), why }.into());
    }
    Ok(())
}
