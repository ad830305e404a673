//! Sprint contracts: pieces of work with what shows that they are done.
//!
//! They are written by agents, so they are read leniently; what cannot be understood is told.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::core::Digest;
use crate::domain::Extra;

/// A piece of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contract {
    /// Its identifier: 8 hexadecimal digits if nobody gave another.
    pub id: String,
    /// What is to be done, in a line.
    pub title: String,
    /// What is to be done, at length.
    pub description: String,
    /// Its parts.
    pub tasks: Vec<String>,
    /// What shows that it is done.
    pub success_criteria: Vec<Criterion>,
    /// Who does it; the first of them owns its task. Empty: whoever is free.
    pub assigned_to: Vec<String>,
    /// It waits for all contracts of lower waves.
    pub wave: i64,
    /// It waits for these contracts, too.
    pub depends_on: Vec<String>,
    /// `pending`, `in_progress`, `completed` or `failed`.
    pub status: String,
    /// When it was made.
    pub created_at: String,
    /// When it was done.
    pub completed_at: String,
    /// The artifact that it stands in.
    pub file: String,
}

/// Something that shows that a contract is fulfilled.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Criterion {
    /// What must be true.
    pub description: String,
    /// A command that finds out.
    pub test_command: String,
    /// Whether it was found true.
    pub verified: bool,
    /// By whom.
    pub verified_by: String,
    /// When.
    pub verified_at: String,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Whether an artifact of this name holds contracts.
pub fn is_contract_file(name: &str) -> bool {
    let stem = name.strip_suffix(".json").unwrap_or_default();
    stem.contains("sprint-contract") && stem.strip_suffix(".meta").is_none()
}

/// The contracts in a file: one, or a list of them.
pub fn read(file: &str, bytes: &[u8]) -> Result<Vec<Contract>, String> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| format!("{file} is not JSON: {error}"))?;
    match value {
        Value::Array(list) => {
            let many = list.len() > 1;
            let numbered = list.iter().enumerate();
            numbered.map(|(n, value)| one(file, if many { n } else { 0 }, value)).collect()
        }
        value => Ok(vec![one(file, 0, &value)?]),
    }
}

fn one(file: &str, number: usize, value: &Value) -> Result<Contract, String> {
    let Value::Object(fields) = value else {
        return Err(format!("{file} holds no contract: a JSON object is expected"));
    };
    let text = |field: &str| fields.get(field).map(plain).unwrap_or_default();
    let list = |field: &str| match fields.get(field) {
        Some(Value::Array(list)) => list.iter().map(plain).filter(|t| !t.is_empty()).collect(),
        Some(Value::Null) | None => Vec::new(),
        Some(one) => vec![plain(one)],
    };
    let title = text("title");
    if title.is_empty() {
        return Err(format!("{file} has a contract without a title"));
    }
    let wave = match fields.get("wave") {
        None | Some(Value::Null) => Some(1),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    let wave = wave.ok_or_else(|| format!("{file}: the wave of '{title}' is not a number"))?;
    let id = match text("id") {
        id if !id.is_empty() => id,
        _ => Digest::of_parts(&[file.as_bytes(), &[0], number.to_string().as_bytes()])
            .start(8)
            .to_owned(),
    };
    let criteria = match fields.get("success_criteria") {
        Some(Value::Array(list)) => list.iter().map(criterion).collect(),
        Some(Value::Null) | None => Vec::new(),
        Some(one) => vec![criterion(one)],
    };
    let status = text("status");
    Ok(Contract {
        id,
        title,
        description: text("description"),
        tasks: list("tasks"),
        success_criteria: criteria,
        assigned_to: list("assigned_to"),
        wave,
        depends_on: list("depends_on"),
        status: if status.is_empty() { "pending".into() } else { status },
        created_at: text("created_at"),
        completed_at: text("completed_at"),
        file: file.to_owned(),
    })
}

/// A value as a text; of an object, what it says it is about.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.trim().to_owned(),
        Value::Object(fields) => {
            let about = ["title", "subject", "description", "name", "id"];
            let found = about.iter().find_map(|field| fields.get(*field).and_then(Value::as_str));
            found.map_or_else(|| value.to_string(), str::to_owned)
        }
        other => other.to_string(),
    }
}

fn criterion(value: &Value) -> Criterion {
    if value.is_object()
        && let Ok(criterion) = serde_json::from_value::<Criterion>(value.clone())
    {
        return criterion;
    }
    Criterion { description: plain(value), ..Criterion::default() }
}

/// Sorts contracts by wave, file and identifier.
pub fn sort(contracts: &mut [Contract]) {
    contracts.sort_by(|a, b| (a.wave, &a.file, &a.id).cmp(&(b.wave, &b.file, &b.id)));
}

/// What each contract waits for, in an order in which all of these come before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The contract's place in the list.
    pub contract: usize,
    /// The places of those that it waits for.
    pub after: Vec<usize>,
}

/// The order of sorted contracts: each waits for those of lower waves and for those that it names.
/// Fails with everything that is wrong.
pub fn order(contracts: &[Contract]) -> Result<Vec<Step>, Vec<String>> {
    let mut problems = Vec::new();
    let mut by_id: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, contract) in contracts.iter().enumerate() {
        if let Some(other) = by_id.insert(&contract.id, place) {
            let (file, other) = (&contract.file, &contracts[other].file);
            problems.push(format!("{file} and {other} both have the id '{}'", contract.id));
        }
    }
    let mut after: Vec<BTreeSet<usize>> = Vec::new();
    for contract in contracts {
        let lower = contracts.iter().enumerate().filter(|(_, other)| other.wave < contract.wave);
        let mut waits: BTreeSet<usize> = lower.map(|(place, _)| place).collect();
        for wanted in &contract.depends_on {
            match by_id.get(wanted.as_str()) {
                Some(place) => {
                    waits.insert(*place);
                }
                None => problems.push(format!(
                    "{}: '{}' depends on '{wanted}', which is no contract",
                    contract.file, contract.title
                )),
            }
        }
        after.push(waits);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut steps: Vec<Step> = Vec::new();
    let mut placed = BTreeSet::new();
    while placed.len() < contracts.len() {
        let free = (0..contracts.len())
            .find(|place| !placed.contains(place) && after[*place].is_subset(&placed));
        let Some(free) = free else {
            let stuck = (0..contracts.len()).filter(|place| !placed.contains(place));
            let titles: Vec<String> =
                stuck.map(|place| format!("'{}'", contracts[place].title)).collect();
            return Err(vec![format!("these wait for each other: {}", titles.join(", "))]);
        };
        placed.insert(free);
        steps.push(Step { contract: free, after: after[free].iter().copied().collect() });
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract(text: &str) -> Contract {
        read("sprint-contract-1.json", text.as_bytes()).expect(text).remove(0)
    }

    #[test]
    fn what_agents_write_is_understood() {
        let full = contract(
            r#"{"id": "a", "title": " T ", "tasks": ["one", {"title": "two"}], "wave": "2",
                "assigned_to": "w1", "depends_on": ["b"],
                "success_criteria": ["works", {"description": "d", "test_command": "make", "x": 1}]}"#,
        );
        assert_eq!((full.title.as_str(), full.wave), ("T", 2));
        assert_eq!(full.tasks, ["one", "two"]);
        assert_eq!(full.assigned_to, ["w1"]);
        assert_eq!(full.success_criteria[0].description, "works");
        assert_eq!(full.success_criteria[1].test_command, "make");
        let bare = contract(r#"{"title": "T"}"#);
        assert_eq!((bare.wave, bare.status.as_str(), bare.id.len()), (1, "pending", 8));
        let list = read("sprint-contract-x.json", br#"[{"title": "a"}, {"title": "b"}]"#);
        let list = list.expect("a list");
        assert_ne!(list[0].id, list[1].id);
        for wrong in ["[1]", "{}", "nonsense", r#"{"title": "T", "wave": "soon"}"#] {
            let error = read("sprint-contract-x.json", wrong.as_bytes()).expect_err(wrong);
            assert!(error.contains("sprint-contract-x.json"), "{error}");
        }
    }

    fn chain(of: &[(&str, i64, &[&str])]) -> Vec<Contract> {
        let mut contracts: Vec<Contract> = of
            .iter()
            .map(|(id, wave, depends)| Contract {
                id: (*id).to_owned(),
                wave: *wave,
                depends_on: depends.iter().map(|id| (*id).to_owned()).collect(),
                ..contract(r#"{"title": "T"}"#)
            })
            .collect();
        sort(&mut contracts);
        contracts
    }

    #[test]
    fn contracts_wait_for_lower_waves_and_for_those_that_they_name() {
        let contracts = chain(&[("a", 1, &["b"]), ("b", 1, &[]), ("c", 2, &[]), ("d", 3, &["a"])]);
        let steps = order(&contracts).expect("an order");
        let names = |places: &[usize]| -> Vec<&str> {
            places.iter().map(|place| contracts[*place].id.as_str()).collect()
        };
        let told: Vec<(&str, Vec<&str>)> = steps
            .iter()
            .map(|step| (contracts[step.contract].id.as_str(), names(&step.after)))
            .collect();
        assert_eq!(
            told,
            [("b", vec![]), ("a", vec!["b"]), ("c", vec!["a", "b"]), ("d", vec!["a", "b", "c"])]
        );
    }

    #[test]
    fn what_can_never_begin_is_told() {
        let problems = |of| order(&chain(of)).expect_err("a problem").join(" ");
        assert!(problems(&[("a", 1, &["x"])]).contains("'x', which is no contract"));
        assert!(problems(&[("a", 1, &["a"])]).contains("wait for each other"));
        // The first wave waits for the second, which waits for all of the first.
        assert!(problems(&[("a", 1, &["b"]), ("b", 2, &[])]).contains("wait for each other"));
        assert!(problems(&[("a", 1, &[]), ("a", 2, &[])]).contains("both have the id 'a'"));
    }
}
