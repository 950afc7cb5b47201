//! The routing table: host → path → rule. Built once per snapshot, never changed.
//!
//! ## Why a host's paths lie in one text
//! With 100,000 hosts nearly every look-up misses the CPU's caches. A host's paths stand behind one
//! another in one allocation, so that comparing eight of them costs about as many misses as comparing one.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::backend::{Backend, Endpoint, EndpointId};
use super::balance::Strategy;
use super::filters::{Canary, Filters, Pattern};
use super::host::HostPattern;
use super::path::{self, PathMatch};
use super::session::{Persistence, SessionPolicy};

/// Above so many rules a host gets an index; below it, comparing in order is faster.
const LINEAR: usize = 16;

/// What happens to the requests that a path of a host matches.
#[derive(Debug)]
pub struct Rule {
    /// Which backends share its new sessions, and in which proportion. The first is the primary.
    pub backends: Box<[Weighted]>,
    /// Who gets requests when there are no sessions.
    pub balance: Strategy,
    /// Session persistence, if the rule has it.
    pub session: Option<Persistence>,
    /// The port to which requests that came without TLS are sent, to come with it.
    pub redirect_to_https: Option<u16>,
    /// Who tries the second backend, if it is a canary.
    pub canary: Option<Box<Canary>>,
    /// What it does beside; most rules do nothing.
    pub filters: Option<Box<Filters>>,
}

impl Rule {
    /// A rule that does nothing but lead to a backend.
    #[must_use]
    pub fn plain(backend: Weighted) -> Self {
        Self {
            backends: [backend].into(),
            balance: Strategy::LeastRequests,
            session: None,
            redirect_to_https: None,
            canary: None,
            filters: None,
        }
    }
}

/// A backend and its share.
#[derive(Clone, Debug)]
pub struct Weighted {
    /// Its share of all weights; 0 keeps what it has and gets nothing new.
    pub weight: u32,
    /// The backend.
    pub backend: Arc<Backend>,
}

/// Hosts → rules.
#[derive(Debug, Default)]
pub struct Table {
    exact: Hosts,
    wildcard: Hosts,
    any: Option<HostRules>,
    rules: usize,
    backends: Vec<Arc<Backend>>,
    endpoints: HashMap<EndpointId, (u32, u32), foldhash::fast::RandomState>,
}

type Hosts = HashMap<Box<str>, HostRules, foldhash::fast::RandomState>;

/// Collects rules, and decides between those that want the same requests.
#[derive(Debug, Default)]
pub struct TableBuilder {
    hosts: HashMap<HostPattern, Vec<Listed>, foldhash::fast::RandomState>,
}

/// Where a rule comes from: it decides between rules that match the same requests. One that was asked for wins over
/// what somebody has for all the rest, the older one wins, then the one whose name comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// Is it for what no rule wants?
    pub is_default: bool,
    /// When its object was made, in unix seconds (0 in a file: its order is in the name).
    pub created: u64,
    /// `<namespace>/<name>`, or its place in the file.
    pub name: Arc<str>,
}

/// A rule that gets no request, because another one has the same host and path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadowed {
    /// The host of both.
    pub host: HostPattern,
    /// The path of both.
    pub path: PathMatch,
    /// Who has it.
    pub winner: Origin,
    /// Who wanted it too.
    pub loser: Origin,
}

#[derive(Debug)]
struct Listed {
    path: PathMatch,
    origin: Origin,
    rule: Arc<Rule>,
}

/// The rules of one host, best first, their paths in one text.
#[derive(Debug)]
struct HostRules {
    text: Box<str>,
    entries: Box<[Entry]>,
    rules: Box<[Arc<Rule>]>,
    /// Which of them are expressions, in their order. Few hosts have any.
    patterns: Box<[(u32, Pattern)]>,
    /// Boxed, because few hosts have one: all the others stay small.
    index: Option<Box<Index>>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    end: u32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Exact,
    Prefix,
    Regex,
}

/// For hosts with many rules: exact paths and prefixes by hash, longest prefix first by cutting the
/// path at its slashes, as many times as the deepest rule has elements.
#[derive(Debug)]
struct Index {
    exact: HashMap<Box<str>, u32, foldhash::fast::RandomState>,
    prefix: HashMap<Box<str>, u32, foldhash::fast::RandomState>,
    longest: usize,
}

impl Table {
    /// A table in which nothing is found yet.
    #[must_use]
    pub fn builder() -> TableBuilder {
        TableBuilder::default()
    }

    /// The rule for a request. `host` is in its canonical form ([`super::host::canonical`]).
    ///
    /// The most specific pattern that knows the host decides alone: if none of its paths fits, no
    /// broader pattern is asked.
    #[must_use]
    pub fn find(&self, host: &str, path: &str) -> Option<&Rule> {
        let rules = self
            .exact
            .get(host)
            .or_else(|| if self.wildcard.is_empty() { None } else { self.wildcard.get(host.split_once('.')?.1) })
            .or(self.any.as_ref())?;
        rules.find(path)
    }

    /// How many rules it has, those of each host counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules
    }

    /// Has it none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules == 0
    }

    /// Every backend that some rule leads to, in the order of their names.
    #[must_use]
    pub fn backends(&self) -> &[Arc<Backend>] {
        &self.backends
    }

    /// The endpoint of this identity, if some rule leads to it.
    #[must_use]
    pub fn endpoint(&self, id: &EndpointId) -> Option<&Endpoint> {
        self.locate(id).map(|(_, endpoint)| endpoint)
    }

    /// The endpoint of this identity with its backend, if some rule leads to it.
    #[must_use]
    pub fn locate(&self, id: &EndpointId) -> Option<(&Backend, &Endpoint)> {
        let (backend, endpoint) = self.endpoints.get(id)?;
        let backend = &*self.backends[*backend as usize];
        Some((backend, &backend.endpoints()[*endpoint as usize]))
    }

    /// The session policies of all rules, some of them several times.
    pub fn policies(&self) -> impl Iterator<Item = &SessionPolicy> {
        let hosts = self.exact.values().chain(self.wildcard.values()).chain(&self.any);
        hosts.flat_map(|host| &host.rules).filter_map(|rule| rule.session.as_ref()).map(|session| &session.policy)
    }

    /// Lists the backends behind `rules`, each once, and their endpoints.
    fn collect_backends<'a>(&mut self, rules: impl Iterator<Item = &'a Arc<Rule>>) {
        let mut known: HashMap<_, _, foldhash::fast::RandomState> = HashMap::default();
        for weighted in rules.flat_map(|rule| &rule.backends) {
            known.entry(weighted.backend.id()).or_insert(&weighted.backend);
        }
        let mut backends: Vec<_> = known.into_values().map(Arc::clone).collect();
        backends.sort_unstable_by(|a, b| a.id().cmp(b.id()));
        self.endpoints.reserve(backends.iter().map(|backend| backend.endpoints().len()).sum());
        for (at, backend) in (0u32..).zip(&backends) {
            self.endpoints
                .extend((0u32..).zip(backend.endpoints()).map(|(i, endpoint)| (endpoint.id.clone(), (at, i))));
        }
        self.backends = backends;
    }
}

impl TableBuilder {
    /// Lists a rule under a host and a path.
    pub fn add(&mut self, host: HostPattern, path: PathMatch, origin: Origin, rule: Arc<Rule>) {
        self.hosts.entry(host).or_default().push(Listed { path, origin, rule });
    }

    /// The table, and the rules that lost their place to others. The order in which they were added
    /// makes no difference.
    #[must_use]
    pub fn build(self) -> (Table, Vec<Shadowed>) {
        let mut table = Table::default();
        let mut shadowed = Vec::new();
        table.collect_backends(self.hosts.values().flatten().map(|listed| &listed.rule));
        // Most hosts are exact ones.
        table.exact.reserve(self.hosts.len());
        for (host, mut listed) in self.hosts {
            listed.sort_by(|a, b| a.path.cmp(&b.path).then_with(|| a.origin.cmp(&b.origin)));
            listed.dedup_by(|loser, winner| {
                let same = loser.path == winner.path;
                if same {
                    let (path, winner, loser) = (loser.path.clone(), winner.origin.clone(), loser.origin.clone());
                    shadowed.push(Shadowed { host: host.clone(), path, winner, loser });
                }
                same
            });
            table.rules += listed.len();
            let rules = HostRules::new(listed);
            match host {
                HostPattern::Exact(name) => drop(table.exact.insert(name, rules)),
                HostPattern::Wildcard(name) => drop(table.wildcard.insert(name, rules)),
                HostPattern::Any => table.any = Some(rules),
            }
        }
        shadowed.sort_by(|a, b| (&a.loser, &a.host, &a.path).cmp(&(&b.loser, &b.host, &b.path)));
        (table, shadowed)
    }
}

impl HostRules {
    fn new(listed: Vec<Listed>) -> Self {
        let mut text = String::with_capacity(listed.iter().map(|listed| listed.path.text().len()).sum());
        let entries = listed
            .iter()
            .map(|Listed { path, .. }| {
                let start = offset(text.len());
                text.push_str(path.text());
                let kind = match path {
                    PathMatch::Exact(_) => Kind::Exact,
                    PathMatch::Prefix(_) => Kind::Prefix,
                    PathMatch::Regex(_) => Kind::Regex,
                };
                Entry { start, end: offset(text.len()), kind }
            })
            .collect();
        let pattern = |(at, listed): (u32, &Listed)| match &listed.path {
            PathMatch::Regex(pattern) => Some((at, pattern.clone())),
            PathMatch::Exact(_) | PathMatch::Prefix(_) => None,
        };
        let patterns = (0u32..).zip(&listed).filter_map(pattern).collect();
        let index = (listed.len() > LINEAR).then(|| Box::new(Index::new(&listed)));
        let rules = listed.into_iter().map(|listed| listed.rule).collect();
        Self { text: text.into(), entries, rules, patterns, index }
    }

    fn find(&self, path: &str) -> Option<&Rule> {
        let plain = match &self.index {
            None => self.entries.iter().position(|entry| {
                let text = &self.text[entry.range()];
                match entry.kind {
                    Kind::Exact => text == path,
                    Kind::Prefix => path::is_below(path, text),
                    Kind::Regex => false,
                }
            }),
            Some(index) => index.find(path),
        };
        let at = if self.patterns.is_empty() { plain } else { self.pattern_before(plain, path).or(plain) };
        Some(&self.rules[at?])
    }
}

impl HostRules {
    /// The first expression that fits and comes before a rule that has been found already.
    fn pattern_before(&self, found: Option<usize>, path: &str) -> Option<usize> {
        let end = found.unwrap_or(usize::MAX);
        let before = self.patterns.iter().take_while(|(at, _)| (*at as usize) < end);
        before.into_iter().find(|(_, pattern)| pattern.is_match(path)).map(|(at, _)| *at as usize)
    }
}

impl Entry {
    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl Index {
    fn new(listed: &[Listed]) -> Self {
        let mut index = Self { exact: HashMap::default(), prefix: HashMap::default(), longest: 0 };
        for (at, Listed { path, .. }) in (0u32..).zip(listed) {
            match path {
                PathMatch::Exact(text) => index.exact.insert(text.clone(), at),
                PathMatch::Prefix(text) => {
                    index.longest = index.longest.max(text.len());
                    index.prefix.insert(text.clone(), at)
                }
                PathMatch::Regex(_) => continue,
            };
        }
        index
    }

    fn find(&self, path: &str) -> Option<usize> {
        if let Some(at) = self.exact.get(path) {
            return Some(*at as usize);
        }
        // No prefix is longer than `longest`: a hostile path of 8,000 slashes costs no more look-ups
        // than that prefix has elements.
        let mut end = path.len();
        loop {
            if end <= self.longest
                && let Some(at) = self.prefix.get(&path[..end])
            {
                return Some(*at as usize);
            }
            end = path.as_bytes()[..end.min(self.longest + 1)].iter().rposition(|byte| *byte == b'/')?;
        }
    }
}

/// All paths of a host together are shorter than 4 GiB; a host that is not is cut there and never matches.
fn offset(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
