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
use super::world::{Answer, Asked, Known};

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
        let first_in = edges.iter().filter(|edge| edge.1 == n).map(|edge| edge.0).next_back();
        nodes.insert(format!("n{n}"), alphabet(*letter, first_in));
    }
    let edges: Vec<String> =
        edges.iter().map(|(from, to, port)| format!("n{from}>n{to}:{port}")).collect();
    let edges: Vec<&str> = edges.iter().map(String::as_str).collect();
    let more = json!({"start":["n0"],"limits":{"maxVisits":visits}});
    let (graph, start) = begin(flow_with(Value::Object(nodes), &edges, more));
    run_all(&graph, &Known::new(start, &["lead"]), count);
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

/// Which graphs are gone through.
struct Scope<'k> {
    /// What the first node can be.
    first: &'k [char],
    /// What those behind it can be.
    kinds: &'k [char],
    nodes: usize,
    /// The most edges.
    most: usize,
    /// The most visits of a run.
    visits: u32,
    /// Whether edges for refusals and failures are among them, and edges from a node to itself.
    whole: bool,
}

/// Every graph of a scope.
fn all(scope: &Scope) -> Count {
    let mut count = Count::default();
    let (kinds, nodes) = (scope.kinds, scope.nodes);
    for begin in scope.first {
        for mut number in 0..kinds.len().pow(nodes as u32 - 1) {
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
            for (from, letter) in letters.iter().enumerate() {
                let ports = ports(*letter);
                let decides = *letter == 'c';
                let ports = if scope.whole || decides { ports } else { &ports[..1] };
                for port in ports {
                    let ends = (0..nodes).filter(|to| scope.whole || *to != from);
                    edges.extend(ends.map(|to| (from, to, *port)));
                }
            }
            subsets(&edges, scope.most, &mut |chosen| {
                if connected(nodes, chosen) && is_first_of_its_kind(&letters, chosen) {
                    graph(&letters, chosen, scope.visits, &mut count);
                }
            });
        }
    }
    count
}

/// Of graphs that become each other if two neighbours of the same kind change places, one.
fn is_first_of_its_kind(letters: &[char], edges: &[(usize, usize, &str)]) -> bool {
    (1..letters.len() - 1).filter(|n| letters[*n] == letters[n + 1]).all(|n| {
        let other = |node: usize| match node {
            it if it == n => n + 1,
            it if it == n + 1 => n,
            it => it,
        };
        let mut turned: Vec<(usize, usize, &str)> =
            edges.iter().map(|(from, to, port)| (other(*from), other(*to), *port)).collect();
        turned.sort_unstable();
        let mut own = edges.to_vec();
        own.sort_unstable();
        own <= turned
    })
}

#[test]
fn all_graphs_of_up_to_two_nodes() {
    let kinds = &['t', 'a', 'c', '&', '|', '^', '2', 's'];
    let first = &['t', 'a', 'c'];
    let count = all(&Scope { first, kinds, nodes: 2, most: 8, visits: 4, whole: true });
    assert!(count.graphs > 2000 && count.runs > 15_000, "{count:?}");
}

#[test]
fn all_graphs_of_three_nodes() {
    let kinds = &['t', 'c', '&', '|', '^', '2'];
    let count = all(&Scope { first: &['t'], kinds, nodes: 3, most: 4, visits: 5, whole: true });
    assert!(count.graphs > 9000 && count.runs > 20_000, "{count:?}");
}

#[test]
fn all_graphs_of_four_nodes() {
    let kinds = &['t', 'c', '&', '|'];
    let count = all(&Scope { first: &['t'], kinds, nodes: 4, most: 4, visits: 6, whole: false });
    assert!(count.graphs > 1000 && count.runs > 1000, "{count:?}");
}
