//! `approval token` and `approval key`.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::files;
use crate::app::approval;
use crate::cli::Cx;
use crate::core::{Digest, Name, Outcome, UserName};
use crate::domain::approval::signature::Secret;
use crate::output::Table;

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token for a person, who sets it as `CLAWTEAM_TOKEN`; it is shown only now
    New {
        /// Whose it shall be
        user: String,
    },
    /// List the tokens that were given out
    List,
    /// Take a token back
    Revoke {
        /// What it is known by
        id: String,
    },
}

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key in a new file and trust it
    New {
        /// The file
        file: PathBuf,
        /// Whose it shall be [default: you]
        #[arg(long)]
        user: Option<String>,
    },
    /// List the keys whose signatures count
    List,
    /// Let the signatures of a key count
    Trust {
        /// The public key, as `approval key new` and `approval key list` show it
        public: String,
        /// Whose it is [default: you]
        #[arg(long)]
        user: Option<String>,
    },
    /// Let them not count any more
    Revoke {
        /// What it is known by
        id: String,
    },
}

/// Who calls, if it is a person: agents neither make nor trust credentials.
fn person(cx: &Cx) -> Outcome<UserName> {
    let actor = approval::only_people(&cx.app, "make, trust or revoke tokens and keys")?;
    Ok(UserName::parse(actor.id.trim_start_matches("human:"))?)
}

pub(super) fn token(cx: &Cx, command: TokenCommand) -> Outcome<()> {
    match command {
        TokenCommand::New { user } => {
            person(cx)?;
            let (token, made) = approval::new_token(&cx.app, &UserName::parse(user)?)?;
            let payload = json!({"id": made.id, "user": made.user, "token": token});
            cx.out.result(&payload, || {
                format!(
                    "OK Token {} for {}\n{token}\nIt is not shown again: export CLAWTEAM_TOKEN",
                    made.id, made.user
                )
            })
        }
        TokenCommand::List => {
            let tokens = approval::tokens(&cx.app)?;
            let shown: Vec<_> = tokens
                .iter()
                .map(|t| json!({"id": t.id, "user": t.user, "createdAt": t.created_at, "revokedAt": t.revoked_at}))
                .collect();
            cx.out.result(&shown, || {
                let mut table = Table::new("Tokens").column("ID").column("User").column("State");
                for token in &tokens {
                    let state = if token.revoked_at.is_some() { "revoked" } else { "valid" };
                    table.row([token.id.as_str(), token.user.as_str(), state]);
                }
                if tokens.is_empty() {
                    "No tokens found".into()
                } else {
                    table.render(cx.out.width())
                }
            })
        }
        TokenCommand::Revoke { id } => {
            person(cx)?;
            let id = Name::parse_as("token", id)?;
            let token = approval::revoke_token(&cx.app, &id)?;
            cx.out.result(&json!({"id": id, "revokedAt": token.revoked_at}), || {
                format!("OK Token {id} does not count any more")
            })
        }
    }
}

/// A new key. Each identifier brings 122 random bits of the operating system.
fn new_secret(cx: &Cx) -> Secret {
    let parts: Vec<String> = (0..4).map(|_| cx.app.ids.hex(32)).collect();
    let digest = Digest::of(parts.concat().as_bytes());
    let mut seed = [0; 32];
    for (byte, pair) in seed.iter_mut().zip(digest.as_str().as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).unwrap_or("00");
        *byte = u8::from_str_radix(pair, 16).unwrap_or(0);
    }
    Secret::from_seed(&seed)
}

pub(super) fn key(cx: &Cx, command: KeyCommand) -> Outcome<()> {
    match command {
        KeyCommand::New { file, user } => {
            let user = user.map_or_else(|| person(cx), |user| Ok(UserName::parse(user)?))?;
            person(cx)?;
            let secret = new_secret(cx);
            files::write_secret(&file, &secret)?;
            let public = secret.public().text();
            let key = approval::trust_key(&cx.app, &public, &user)?;
            let payload = json!({"id": key.id, "user": user, "publicKey": public, "file": file});
            cx.out.result(&payload, || {
                format!(
                    "OK Key {} of {user} is in {}\n  Public key: {public}\n  Keep the file where \
                     agents cannot read it.",
                    key.id,
                    file.display()
                )
            })
        }
        KeyCommand::List => {
            let keys = approval::keys(&cx.app)?;
            cx.out.result(&keys, || {
                let mut table = Table::new("Keys")
                    .column("ID")
                    .column("User")
                    .column("State")
                    .prose("Public key");
                for key in &keys {
                    let state = if key.revoked_at.is_some() { "revoked" } else { "trusted" };
                    table.row([key.id.as_str(), key.user.as_str(), state, &key.public_key]);
                }
                if keys.is_empty() { "No keys found".into() } else { table.render(cx.out.width()) }
            })
        }
        KeyCommand::Trust { public, user } => {
            let user = user.map_or_else(|| person(cx), |user| Ok(UserName::parse(user)?))?;
            person(cx)?;
            let key = approval::trust_key(&cx.app, &public, &user)?;
            cx.out.result(&key, || format!("OK Signatures of key {} count for {user}", key.id))
        }
        KeyCommand::Revoke { id } => {
            person(cx)?;
            let id = Name::parse_as("key", id)?;
            let key = approval::revoke_key(&cx.app, &id)?;
            cx.out.result(&key, || format!("OK Signatures of key {id} do not count any more"))
        }
    }
}
