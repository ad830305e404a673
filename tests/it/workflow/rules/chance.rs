//! Graphs and decisions by chance, the same for the same seed.

use clawteam::domain::workflow::definition::Definition;
use serde_json::{Map, Value, json};

use super::build::flow_with;

/// Numbers that look random (`SplitMix64`).
#[derive(Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, most: usize) -> usize {
        (self.number() % most as u64) as usize
    }

    /// True this many times of a hundred.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// A graph of what the model knows, with cycles, bounds, guards and everything that can go wrong.
pub(crate) fn definition(chance: &mut Chance) -> Definition {
    let count = 3 + chance.below(7);
    let joins: Vec<bool> = (0..count).map(|n| n > 0 && chance.percent(25)).collect();
    let mut edges: Vec<String> = Vec::new();
    let mut nodes = Map::new();
    let works: Vec<String> = (0..count).filter(|n| !joins[*n]).map(|n| format!("n{n}")).collect();
    for (n, joins) in joins.iter().enumerate() {
        let (node, ports) = if *joins { join(chance, count) } else { other(chance, n, &works) };
        nodes.insert(format!("n{n}"), node);
        for port in ports {
            leave(chance, n, count, port, &mut edges);
        }
    }
    prefer_only_what_leads_here(chance, &mut nodes, &edges);
    let mut start = vec!["n0".to_owned()];
    if chance.percent(15) {
        let other = chance.pick(&works);
        if other != "n0" {
            start.push(other);
        }
    }
    let mut limits = json!({"maxVisits": 12 + chance.below(30)});
    if chance.percent(40) {
        limits["maxParallel"] = json!(1 + chance.below(3));
    }
    if chance.percent(10) {
        limits["deadline"] = json!(format!("{}s", 20 + chance.below(100)));
    }
    if chance.percent(10) {
        limits["maxSteps"] = json!(10 + chance.below(40));
    }
    if chance.percent(15) {
        limits["maxNodeVisits"] = json!(1 + chance.below(5));
    }
    let edges: Vec<&str> = edges.iter().map(String::as_str).collect();
    flow_with(
        Value::Object(nodes),
        &edges,
        json!({"start": start, "limits": limits, "vars": {"x": 1, "y": 2}}),
    )
}

/// A join can only prefer a node that an edge comes from.
fn prefer_only_what_leads_here(
    chance: &mut Chance,
    nodes: &mut Map<String, Value>,
    edges: &[String],
) {
    for (id, node) in nodes.iter_mut().filter(|(_, node)| node.get("prefer").is_some()) {
        let from = |edge: &String| {
            let (from, rest) = edge.split_once('>')?;
            (rest.split(':').next() == Some(id)).then(|| from.to_owned())
        };
        let sources: Vec<String> = edges.iter().filter_map(from).collect();
        node["prefer"] =
            if sources.is_empty() { Value::Null } else { json!(chance.pick(&sources)) };
    }
}

/// The edges of a port: none, one or several, some with a guard.
fn leave(chance: &mut Chance, from: usize, count: usize, port: &str, edges: &mut Vec<String>) {
    let wanted = match port {
        "success" => chance.pick(&[0, 1, 1, 1, 2, 2, 3]),
        "yes" | "no" | "body" | "done" => chance.pick(&[0, 1, 1, 1, 1, 1, 2]),
        _ => usize::from(chance.percent(30)),
    };
    let mut otherwise = false;
    for _ in 0..wanted {
        let to = if chance.percent(25) {
            chance.below(count)
        } else {
            (from + 1 + chance.below(3)).min(count - 1)
        };
        let edge = format!("n{from}>n{to}:{port}");
        if to == from && chance.percent(80) || edges.iter().any(|known| known.starts_with(&edge)) {
            continue;
        }
        let guarded = chance.percent(15);
        edges.push(if guarded && chance.percent(30) && !otherwise {
            otherwise = true;
            format!("{edge}!")
        } else if guarded {
            format!("{edge}?vars.x == {}", 1 + chance.below(2))
        } else {
            edge
        });
    }
}

fn join(chance: &mut Chance, count: usize) -> (Value, Vec<&'static str>) {
    let mode = chance.pick(&["and", "and", "or", "xor", "quorum"]);
    let mut node = json!({"type": "join", "mode": mode});
    match mode {
        "quorum" => node["n"] = json!(1 + chance.below(3)),
        "xor" if chance.percent(70) => {
            node["prefer"] = json!(format!("n{}", chance.below(count)));
            if chance.percent(30) {
                node["fallback"] = json!("none");
            }
        }
        _ => {}
    }
    if chance.percent(15) {
        node["strict"] = json!(true);
    }
    if mode != "and" && chance.percent(40) {
        node["cancelRemaining"] = json!(true);
    }
    (node, vec!["success"])
}

fn condition(chance: &mut Chance) -> String {
    match chance.below(8) {
        0 => "true".into(),
        1 => "false".into(),
        2 => "vars.none == 1".into(),
        3 | 4 => format!("vars.x == {}", 1 + chance.below(2)),
        _ => {
            let by = 2 + chance.below(3);
            format!("run.visits % {by} == {}", chance.below(by))
        }
    }
}

fn other(chance: &mut Chance, n: usize, works: &[String]) -> (Value, Vec<&'static str>) {
    let (mut node, ports) = match chance.below(20) {
        0..=8 => task(chance, works),
        9..=11 => approval(chance, n, works),
        12 | 13 => {
            (json!({"type": "condition", "expr": condition(chance)}), vec!["yes", "no", "failure"])
        }
        14 => {
            (json!({"type": "delay", "for": format!("{}s", 1 + chance.below(20))}), vec!["success"])
        }
        15 => {
            let mut wait = json!({"type": "wait", "signal": chance.pick(&["go", "ho"])});
            if chance.percent(70) {
                wait["timeout"] = json!(format!("{}s", 5 + chance.below(20)));
            }
            (wait, vec!["success", "expired", "timeout"])
        }
        16 => {
            let value = (1 + chance.below(2)).to_string();
            (json!({"type": "set", "vars": {"x": value}}), vec!["success"])
        }
        17 | 18 => {
            let most = 1 + chance.below(4);
            let node = json!({"type": "loop", "while": condition(chance), "maxIterations": most});
            (node, vec!["body", "done", "failure"])
        }
        _ if chance.percent(50) => (json!({"type": "parallel"}), vec!["success"]),
        _ => (json!({"type": "end", "status": chance.pick(&["completed", "failed"])}), vec![]),
    };
    if node["type"] != "end" {
        if chance.percent(8) {
            node["when"] = json!(condition(chance));
            node["skipPolicy"] = json!(chance.pick(&["follow", "stop"]));
        }
        if chance.percent(8) {
            node["required"] = json!(true);
        }
    }
    (node, ports)
}

fn task(chance: &mut Chance, works: &[String]) -> (Value, Vec<&'static str>) {
    let mut node = json!({"type": "task"});
    if chance.percent(30) {
        node["retry"] = json!({"max": 1 + chance.below(2), "delay": "3s", "jitter": 0.0});
        if chance.percent(40) {
            node["retry"]["for"] = json!([chance.pick(&["failure", "timeout", "lost"])]);
        }
    }
    if chance.percent(40) {
        node["timeout"] = json!(format!("{}s", 3 + chance.below(20)));
    }
    if chance.percent(40) {
        let route = format!("route:{}", chance.pick(works));
        node["onFailure"] = json!(chance.pick(&["fail", "continue", "pause", &route]));
    }
    (node, vec!["success", "failure", "timeout", "lost"])
}

fn approval(chance: &mut Chance, n: usize, works: &[String]) -> (Value, Vec<&'static str>) {
    let mut node = json!({"type": "approval"});
    if n > 0 && chance.percent(40) {
        node["rework"] = json!([chance.pick(works)]);
        node["maxRework"] = json!(chance.below(3));
    }
    if chance.percent(40) {
        node["timeout"] = json!(format!("{}s", 3 + chance.below(20)));
        node["onTimeout"] = json!(chance.pick(&["reject", "approve", "none"]));
    }
    (node, vec!["success", "rejected", "expired"])
}
