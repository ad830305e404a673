//! What waits for what.

use std::collections::{HashMap, HashSet};

/// Finds a cycle that `task` would be part of if it waited for `blockers`, given what each other
/// task waits for. The cycle begins and ends with `task`.
///
/// Looks only at what `task` reaches: a cycle elsewhere is no reason to refuse a change here.
pub fn cycle_through<'g>(
    task: &'g str,
    blockers: &'g [String],
    waits_for: impl Fn(&str) -> &'g [String],
) -> Option<Vec<String>> {
    let mut came_from: HashMap<&str, &str> = HashMap::new();
    let mut seen: HashSet<&str> = HashSet::new();
    let mut stack: Vec<(&str, &str)> = blockers.iter().map(|b| (b.as_str(), task)).collect();
    while let Some((next, from)) = stack.pop() {
        if next == task {
            let mut path = vec![task.to_owned()];
            let mut at = from;
            while at != task {
                path.push(at.to_owned());
                at = came_from[at];
            }
            path.push(task.to_owned());
            path.reverse();
            return Some(path);
        }
        if seen.insert(next) {
            came_from.insert(next, from);
            stack.extend(waits_for(next).iter().map(|further| (further.as_str(), next)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(edges: &[(&str, &[&str])], task: &str, blockers: &[&str]) -> Option<String> {
        let graph: HashMap<String, Vec<String>> = edges
            .iter()
            .map(|(from, to)| ((*from).to_owned(), to.iter().map(|t| (*t).to_owned()).collect()))
            .collect();
        let blockers: Vec<String> = blockers.iter().map(|b| (*b).to_owned()).collect();
        let none: Vec<String> = Vec::new();
        cycle_through(task, &blockers, |id| graph.get(id).unwrap_or(&none)).map(|c| c.join(" -> "))
    }

    #[test]
    fn cycles_are_named_in_order() {
        assert_eq!(check(&[], "a", &["a"]).as_deref(), Some("a -> a"));
        assert_eq!(check(&[("b", &["a"])], "a", &["b"]).as_deref(), Some("a -> b -> a"));
        let chain: &[(&str, &[&str])] = &[("b", &["c"]), ("c", &["d", "a"])];
        assert_eq!(check(chain, "a", &["b"]).as_deref(), Some("a -> b -> c -> a"));
    }

    #[test]
    fn what_is_no_cycle_through_the_task_is_fine() {
        assert_eq!(check(&[("b", &["c"]), ("d", &["c"])], "a", &["b", "d"]), None);
        assert_eq!(check(&[("x", &["y"]), ("y", &["x"])], "a", &["x"]), None);
        assert_eq!(check(&[], "a", &["unknown"]), None);
    }

    #[test]
    fn depth_is_no_limit() {
        let ids: Vec<String> = (0..20_000).map(|n| n.to_string()).collect();
        let next: HashMap<&str, Vec<String>> =
            ids.windows(2).map(|w| (w[0].as_str(), vec![w[1].clone()])).collect();
        let none: Vec<String> = Vec::new();
        let first = vec!["0".to_owned()];
        assert!(cycle_through("new", &first, |id| next.get(id).unwrap_or(&none)).is_none());
    }
}
