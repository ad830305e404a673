//! All small graphs, all answers, in all orders.
//!
//! What is left out, and why nothing is lost by it: graphs in which a node cannot be reached from
//! the first one (they are smaller graphs); of graphs that differ only by the names of the nodes
//! behind the first, all but one order (ties are broken by the order of the definition, of
//! which the random graphs see every kind); more edges than `EDGES` for the number of nodes.
//! At each moment at which a run waits, every one of those whom it waits for answers first, in
//! every way.

use clawteam::domain::workflow::graph::Graph;
use clawteam::domain::workflow::run::observe::Verdict;
use serde_json::{Map, Value, json};

use super::build::{T0, begin, flow_with};
use super::twin::Twin;
use super::world::{Answer, Asked, Known, members};

/// Kinds of nodes: a letter, the node, and its ports.
fn alphabet(letter: char, first_in: Option<usize>) -> Value {
    match letter {
        't' => json!({"type":"task"}),
        'a' => json!({"type":"approval"}),
        'c' => json!({"type":"condition","expr":"run.visits % 2 == 0"}),
        '&' => json!({"type":"join"}),
        '|' => json!({"type":"join","mode":"or","cancelRemaining":true}),
        '^' => json!({"type":"join","mode":"xor","prefer":first_in.map(|n| format!("n{n}"))}),
        '2' => json!({"type":"join","mode":"quorum","n":2}),
        's' => json!({"type":"join","strict":true}),
        _ => panic!("no letter {letter}"),
    }
}

fn ports(letter: char) -> &'static [&'static str] {
    match letter {
        't' => &["success", "failure"],
        'a' => &["success", "rejected"],
        'c' => &["yes", "no"],
        _ => &["success"],
    }
}

fn outcomes(asked: &Asked) -> [Answer; 2] {
    match asked.what {
        "approval" => [
            Answer::Verdict(Verdict::Approved, String::new()),
            Answer::Verdict(Verdict::Rejected, "no".into()),
        ],
        _ => [Answer::Done("ok".into()), Answer::Fail("task_failed", "no".into())],
    }
}

#[derive(Default, Debug)]
struct Count {
    graphs: usize,
    runs: usize,
    steps: usize,
}

/// Goes on in every way.
fn explore(mut twin: Twin, count: &mut Count) {
    let before = twin.trace.len();
    twin.settle(T0);
    count.steps += twin.trace.len() - before;
    let asked = twin.asked(T0);
    if asked.is_empty() {
        assert!(twin.run.status.is_terminal(), "it waits for nothing: {:?}", twin.trace);
        count.runs += 1;
        return;
    }
    assert!(!twin.run.status.is_terminal());
    for one in &asked {
        for answer in outcomes(one) {
            let mut next = twin.clone();
            next.step(&[(one.clone(), answer)], &[], T0);
            explore(next, count);
        }
    }
}

/// All runs of one graph.
fn graph(letters: &[char], edges: &[(usize, usize, &str)], visits: u32, count: &mut Count) {
    let mut nodes = Map::new();
    for (n, letter) in letters.iter().enumerate() {
        let first_in = edges.iter().filter(|edge| edge.1 == n).map(|edge| edge.0).last();
        nodes.insert(format!("n{n}"), alphabet(*letter, first_in));
    }
    let edges: Vec<String> =
        edges.iter().map(|(from, to, port)| format!("n{from}>n{to}:{port}")).collect();
    let edges: Vec<&str> = edges.iter().map(String::as_str).collect();
    let more = json!({"start":["n0"],"limits":{"maxVisits":visits}});
    let (graph, start) = begin(flow_with(Value::Object(nodes), &edges, more));
    run_all(&graph, &Known { start, members: members(&["lead"]) }, count);
}

fn run_all(graph: &Graph, known: &Known, count: &mut Count) {
    count.graphs += 1;
    let before = count.runs;
    explore(Twin::new(graph, known), count);
    assert!(count.runs > before);
}

/// Whether every node can be reached from the first.
fn connected(nodes: usize, edges: &[(usize, usize, &str)]) -> bool {
    let mut seen = 1_u32;
    loop {
        let mut more = seen;
        for (from, to, _) in edges {
            if seen & (1 << from) != 0 {
                more |= 1 << to;
            }
        }
        if more == seen {
            return seen == (1 << nodes) - 1;
        }
        seen = more;
    }
}

/// Every choice of at most `most` of `all`.
fn subsets<T: Copy>(all: &[T], most: usize, visit: &mut dyn FnMut(&[T])) {
    fn go<T: Copy>(all: &[T], most: usize, chosen: &mut Vec<T>, visit: &mut dyn FnMut(&[T])) {
        visit(chosen);
        if chosen.len() == most {
            return;
        }
        for (n, item) in all.iter().enumerate() {
            chosen.push(*item);
            go(&all[n + 1..], most, chosen, visit);
            chosen.pop();
        }
    }
    go(all, most, &mut Vec::new(), visit);
}

/// Every graph over `kinds`, the first node being one of `first`, with at most `most` edges.
fn all(first: &[char], kinds: &[char], nodes: usize, most: usize, visits: u32) -> Count {
    let mut count = Count::default();
    let behind = kinds.len().pow(nodes as u32 - 1);
    for begin in first {
        for mut number in 0..behind {
            let mut letters = vec![*begin];
            for _ in 1..nodes {
                letters.push(kinds[number % kinds.len()]);
                number /= kinds.len();
            }
            let at = |letter: &char| kinds.iter().position(|kind| kind == letter);
            if !letters[1..].is_sorted_by_key(at) {
                continue;
            }
            let mut edges = Vec::new();
            for from in 0..nodes {
                for port in ports(letters[from]) {
                    edges.extend((0..nodes).map(|to| (from, to, *port)));
                }
            }
            subsets(&edges, most, &mut |chosen| {
                if connected(nodes, chosen) {
                    graph(&letters, chosen, visits, &mut count);
                }
            });
        }
    }
    count
}

#[test]
fn all_graphs_of_up_to_two_nodes() {
    let kinds = ['t', 'a', 'c', '&', '|', '^', '2', 's'];
    let first = ['t', 'a', 'c'];
    let count = all(&first, &kinds, 2, 8, 5);
    println!("{count:?}");
}

#[test]
fn all_graphs_of_three_nodes() {
    let kinds = ['t', 'c', '&', '|', '2'];
    let count = all(&['t'], &kinds, 3, 4, 6);
    println!("{count:?}");
}
