//! What can be relied on: the journals of all approvals, and what each proof is worth.

use serde::Serialize;

use super::{change, desk, ids, keys};
use crate::app::{App, team};
use crate::core::{Name, Outcome, TeamName};
use crate::domain::approval::{Approval, Proof};
use crate::store::{Dir, Key};

/// What a proof is worth.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Forgery {
    /// The proof.
    pub proof: Proof,
    /// How many decisions rest on it.
    pub used: usize,
    /// Who could have made one without being who they say.
    pub worth: &'static str,
}

/// What each proof is worth, with how often it was used in the teams of the data directory.
pub fn forgeries(app: &App) -> Outcome<Vec<Forgery>> {
    let mut all = Vec::new();
    for team in team::names(app)? {
        for id in ids(app, &team)? {
            all.extend(desk::read(app, &team, &id).ok().flatten().map(|truth| truth.approval));
        }
    }
    let used = |proof: Proof| {
        let decisions = all.iter().flat_map(|approval: &Approval| &approval.decisions);
        decisions.filter(|decision| decision.proof == proof).count()
    };
    let worth = [
        (
            Proof::Environment,
            "any process of this user can name any agent; it stops no one who wants to cheat",
        ),
        (
            Proof::Shell,
            "any process of this user, agents too, gets it by taking CLAWTEAM_AGENT_NAME out of \
             its environment; it stops honest agents and accidents",
        ),
        (
            Proof::Terminal,
            "as above, and a process can make a terminal for itself; it stops scripts and agents \
             that do not try",
        ),
        (
            Proof::Token,
            "any process of this user that finds the token, or makes one with `approval token \
             new`; the data directory holds only its digest",
        ),
        (
            Proof::Signature,
            "only whoever can read the key; but a process of this user can trust a key of its \
             own, or rewrite a whole journal: keep the list of keys in view (`approval key list`)",
        ),
    ];
    Ok(worth.map(|(proof, worth)| Forgery { proof, used: used(proof), worth }).into())
}

/// Something that is wrong with what is kept of an approval.
#[derive(Debug, Clone, Serialize)]
pub struct Damage {
    /// The stable identifier of this kind of damage.
    pub code: &'static str,
    /// The file.
    pub path: String,
    /// What is the matter.
    pub message: String,
    /// What can be done.
    pub remedy: String,
    /// The approval, if writing its document anew repairs this.
    #[serde(skip)]
    pub rewrite: Option<(TeamName, Name)>,
}

/// Writes the document of an approval as its journal has it.
pub fn rewrite(app: &App, team: &TeamName, id: &Name) -> Outcome<()> {
    change(app, team, id, |_, _| Ok(Vec::new()))?;
    Ok(())
}

/// What is wrong with the journals of all approvals of the data directory, with how many were
/// looked at.
pub fn chains(app: &App) -> Outcome<(usize, Vec<Damage>)> {
    let (mut seen, mut found) = (0, Vec::new());
    for team in team::names(app)? {
        for id in ids(app, &team)? {
            seen += 1;
            found.extend(damage(app, &team, &id));
        }
        for name in app.store.backend().list(&Dir::approvals(&team))? {
            let Some(stem) = name.strip_suffix(".json").filter(|stem| *stem != "policy") else {
                continue;
            };
            let Ok(id) = Name::parse(stem) else { continue };
            let journal = Key::approval_journal(&team, &id);
            if app.store.backend().read(&journal)?.is_none() {
                found.push(Damage {
                    code: "bad_journal",
                    path: app.store.path_of(&journal).display().to_string(),
                    message: "is gone, but the document beside it is there".to_owned(),
                    remedy: "restore it from a backup, or ask again; nothing passes by it".into(),
                    rewrite: None,
                });
            }
        }
    }
    Ok((seen, found))
}

fn damage(app: &App, team: &TeamName, id: &Name) -> Option<Damage> {
    let journal = Key::approval_journal(team, id);
    let document = Key::approval(team, id);
    let told = |code: &'static str, key: &Key, message: String, remedy: &str| {
        let path = app.store.path_of(key).display().to_string();
        let stale = matches!(code, "stale_document" | "edited_document");
        let rewrite = stale.then(|| (team.clone(), id.clone()));
        Some(Damage { code, path, message, remedy: remedy.to_owned(), rewrite })
    };
    let truth = match desk::read(app, team, id) {
        Ok(Some(truth)) => truth.approval,
        // A request that was not written to its end: whoever asked heard of no success.
        Ok(None) => return None,
        Err(failure) => {
            let remedy = "restore the file from a backup, or ask again; nothing passes by it";
            return told("bad_journal", &journal, failure.message(), remedy);
        }
    };
    if let Err(failure) = keys::check_signatures(app, &truth) {
        return told(
            "bad_signature",
            &journal,
            failure.message(),
            "nothing passes by this approval",
        );
    }
    let shown = app.store.backend().read(&document).ok()?;
    let shown: Option<Approval> = shown.and_then(|blob| serde_json::from_slice(&blob.bytes).ok());
    let Some(shown) = shown else {
        let message = "the document of this journal is missing or cannot be understood".to_owned();
        return told("stale_document", &document, message, "writes it anew from its journal");
    };
    if shown.rev > truth.rev {
        let message =
            format!("ends with change {}, but the document knows {}", truth.rev, shown.rev);
        let remedy = "its end was removed, or the document was edited: restore it from a backup";
        return told("bad_journal", &journal, message, remedy);
    }
    if shown.rev < truth.rev {
        let message = "a process ended before it wrote this document".to_owned();
        return told("stale_document", &document, message, "writes it anew from its journal");
    }
    let same = Approval { extra: truth.extra.clone(), ..shown };
    (same != truth).then_some(())?;
    let message = "does not say what its journal says; the journal counts".to_owned();
    told("edited_document", &document, message, "writes it anew from its journal")
}
