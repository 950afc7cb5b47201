//! Who is next, where much waits for little: namespaces take turns, and within one the first to come is the first to go. So
//! whoever asks for much, or all the time, keeps only itself waiting.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::objects::Name;

/// What waits for its turn, each under its name once.
#[derive(Debug)]
pub(super) struct Turns<T> {
    waiting: HashMap<Name, T>,
    /// In the order in which they came. None is empty.
    queues: HashMap<Arc<str>, VecDeque<Name>>,
    /// The namespaces that have a queue.
    order: VecDeque<Arc<str>>,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { waiting: HashMap::new(), queues: HashMap::new(), order: VecDeque::new() }
    }
}

impl<T> Turns<T> {
    /// Waits at the end of its namespace's queue, or in the place where it waits already.
    pub(super) fn push(&mut self, name: Name, what: T) {
        if self.waiting.insert(name.clone(), what).is_some() {
            return;
        }
        let queue = self.queues.entry(Arc::clone(&name.namespace)).or_default();
        if queue.is_empty() {
            self.order.push_back(Arc::clone(&name.namespace));
        }
        queue.push_back(name);
    }

    /// Whose turn it is.
    pub(super) fn pop(&mut self) -> Option<(Name, T)> {
        let namespace = self.order.pop_front()?;
        let first = self.pop_from(&namespace);
        if self.queues.contains_key(&namespace) {
            self.order.push_back(namespace);
        }
        first
    }

    /// Gives up what has waited longest in the namespace in which the most waits.
    pub(super) fn drop_one(&mut self) {
        let longest = self.queues.iter().max_by_key(|(namespace, queue)| (queue.len(), *namespace));
        let Some(namespace) = longest.map(|(namespace, _)| Arc::clone(namespace)) else { return };
        self.pop_from(&namespace);
        if !self.queues.contains_key(&namespace) {
            self.order.retain(|other| *other != namespace);
        }
    }

    /// Forgets those that are not wanted any more.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(&Name) -> bool) {
        self.waiting.retain(|name, _| is_wanted(name));
        self.queues.values_mut().for_each(|queue| queue.retain(&is_wanted));
        self.queues.retain(|_, queue| !queue.is_empty());
        self.order.retain(|namespace| self.queues.contains_key(namespace));
    }

    pub(super) fn contains(&self, name: &Name) -> bool {
        self.waiting.contains_key(name)
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn pop_from(&mut self, namespace: &Arc<str>) -> Option<(Name, T)> {
        let queue = self.queues.get_mut(namespace)?;
        let name = queue.pop_front()?;
        if queue.is_empty() {
            self.queues.remove(namespace);
        }
        let what = self.waiting.remove(&name)?;
        Some((name, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(names: &[&str]) -> Turns<usize> {
        let mut turns = Turns::default();
        for (place, name) in names.iter().enumerate() {
            turns.push(named(name), place);
        }
        turns
    }

    fn named(text: &str) -> Name {
        let (namespace, name) = text.split_once('/').unwrap();
        Name::new(namespace, name)
    }

    fn order(mut turns: Turns<usize>) -> Vec<String> {
        let all = std::iter::from_fn(|| turns.pop()).map(|(name, place)| format!("{name} {place}")).collect();
        assert!(turns.is_empty() && turns.queues.is_empty() && turns.order.is_empty());
        all
    }

    #[test]
    fn namespaces_take_turns_and_each_has_an_order_of_its_own() {
        let turns = turns(&["a/2", "a/1", "a/3", "z/1"]);
        assert_eq!(order(turns), ["a/2 0", "z/1 3", "a/1 1", "a/3 2"]);
    }

    #[test]
    fn whoever_always_comes_again_keeps_nobody_waiting() {
        let mut turns = turns(&["a/1", "a/2", "z/1"]);
        let mut seen = Vec::new();
        for _ in 0..3 {
            let (name, _) = turns.pop().unwrap();
            seen.push(name.to_string());
            turns.push(named("a/1"), 9);
            turns.push(named("a/2"), 9);
        }
        assert_eq!(seen, ["a/1", "z/1", "a/2"]);
    }

    #[test]
    fn what_waits_already_keeps_its_place_and_says_the_new() {
        let mut turns = turns(&["a/1", "a/2"]);
        turns.push(named("a/1"), 7);
        assert_eq!(order(turns), ["a/1 7", "a/2 1"]);
    }

    #[test]
    fn what_is_given_up_is_the_oldest_of_those_who_have_most() {
        let mut turns = turns(&["a/1", "z/3", "z/1", "z/2"]);
        turns.drop_one();
        assert_eq!(turns.len(), 3);
        assert_eq!(order(turns), ["a/1 0", "z/1 2", "z/2 3"]);
    }

    #[test]
    fn what_is_not_wanted_any_more_has_no_turn() {
        let mut turns = turns(&["a/1", "b/1", "z/1"]);
        turns.retain(|name| *name.namespace != *"b");
        assert!(!turns.contains(&named("b/1")));
        assert_eq!(order(turns), ["a/1 0", "z/1 2"]);
    }
}
