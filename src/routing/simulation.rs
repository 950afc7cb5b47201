//! Hours of sessions, while everything around them changes: pods restart, crash, drain, come and go, cannot be
//! reached; keys rotate, policies are edited, clocks jump; and several replicas learn of all that at different
//! times.
//!
//! The law ([`law`]): *a valid token whose endpoint can still serve returns that endpoint; otherwise there is exactly
//! one reassignment*, on which all replicas that know the same agree.
//!
//! Every run follows from its seed. A failure prints it; `MOORLINE_SIMULATION_SEED=<seed>` plays it again.

mod law;
mod replica;
mod world;

use std::collections::BTreeMap;

use self::law::Request;
use self::replica::Replica;
use self::world::World;
use super::fixture::scope;
use super::{Claims, Decision, Forward, Outcome};

/// These are played by every `cargo test`.
const SEEDS: std::ops::Range<u64> = 0..10;
/// How long a run lasts, in milliseconds of its own time.
const HOURS: u64 = 6 * 3600 * 1000;
const SESSIONS: usize = 40;

/// What a client holds.
#[derive(Clone, Debug)]
struct Cookie {
    value: String,
    claims: Claims,
    /// The endpoint's name, and which life of it the session began in.
    home: (String, u32),
}

#[derive(Debug)]
struct Simulation {
    rng: fastrand::Rng,
    world: World,
    replicas: Vec<Replica>,
    cookies: Vec<Option<Cookie>>,
    held: Vec<Request>,
    outcomes: BTreeMap<Outcome, u64>,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let world = World::new();
        let replicas = (0..3).map(|_| Replica::start(&world, &mut rng)).collect();
        let cookies = vec![None; SESSIONS];
        Self { rng, world, replicas, cookies, held: Vec::new(), outcomes: BTreeMap::new() }
    }

    fn run(mut self) -> BTreeMap<Outcome, u64> {
        while self.world.time < HOURS {
            self.step();
        }
        self.outcomes
    }

    fn step(&mut self) {
        self.world.time += self.rng.u64(0..20_000);
        let all_know = self.replicas.iter().all(|replica| replica.knows_all_keys(&self.world));
        if self.world.happens(all_know, &mut self.rng) {
            self.replicas.iter_mut().for_each(|replica| replica.will_hear(&self.world, &mut self.rng));
        }
        if self.rng.u32(..200) == 0 {
            self.restart_a_replica();
        }
        self.replicas.iter_mut().for_each(|replica| replica.hears(&self.world));
        for mut request in std::mem::take(&mut self.held) {
            request.woken(&self.replicas[request.replica]);
            self.serve(request);
        }
        for _ in 0..8 {
            let session = self.rng.usize(..SESSIONS);
            if self.rng.u32(..400) == 0 {
                self.cookies[session] = None;
            }
            let replica = self.rng.usize(..self.replicas.len());
            self.serve(Request::new(session, replica, self.cookies[session].clone()));
        }
    }

    /// What waits there is gone, and so is what it knew beyond the snapshot.
    fn restart_a_replica(&mut self) {
        let at = self.rng.usize(..self.replicas.len());
        self.held.retain(|request| request.replica != at);
        self.replicas[at] = Replica::start(&self.world, &mut self.rng);
    }

    /// Decides upon a request until it is served, refused or has to wait. Each decision is judged.
    fn serve(&mut self, mut request: Request) {
        // Whoever cannot be connected to is not tried twice, so this ends.
        loop {
            let replica = &mut self.replicas[request.replica];
            let now = replica.now(&self.world);
            let token = law::token(replica, &request, now);
            let decision = request.decide(replica, token.as_ref(), now, &mut self.rng);
            let outcome = law::judge(replica, &request, &decision, now);
            *self.outcomes.entry(outcome).or_default() += 1;
            match decision {
                Decision::Forward(forward) if self.world.accepts(forward.endpoint) => {
                    let cookie = forward.issue.then(|| replica.issue(&forward, now.unix));
                    let (outcome, name) = (forward.outcome, forward.endpoint.name.clone());
                    if outcome == Outcome::Reassigned {
                        law::replicas_agree(&self.replicas, &request, &name, &self.world);
                    }
                    if let Some(cookie) = cookie {
                        law::next_request_is_kept(&self.replicas[request.replica], &request, &cookie, now);
                        self.cookies[request.session] = Some(cookie);
                    }
                    return;
                }
                Decision::Forward(forward) => {
                    let (name, id) = (forward.endpoint.name.as_ref().to_owned(), forward.endpoint.id.clone());
                    replica.load.unreachable.entry(name).or_insert(now.mono);
                    request.failed(id, now.mono);
                }
                Decision::Hold { .. } => return self.held.push(request),
                Decision::Refuse(_) => return,
            }
        }
    }
}

impl Replica {
    /// The cookie that a response sets.
    fn issue(&self, forward: &Forward<'_>, now: u64) -> Cookie {
        let claims = forward.claims.expect("all rules here keep sessions");
        let endpoint = forward.endpoint;
        let life = endpoint.incarnation.as_str().parse().unwrap();
        let value = self.keys.seal(&scope(), claims, endpoint, now);
        Cookie { value, claims, home: (endpoint.name.as_ref().to_owned(), life) }
    }
}

/// Says which seed failed.
struct Playing(u64);

impl Drop for Playing {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to play this again: MOORLINE_SIMULATION_SEED={}", self.0);
        }
    }
}

fn play(seed: u64) -> BTreeMap<Outcome, u64> {
    let _playing = Playing(seed);
    Simulation::new(seed).run()
}

#[test]
fn sessions_stay_where_they_are_whatever_happens_around_them() {
    if let Ok(seed) = std::env::var("MOORLINE_SIMULATION_SEED") {
        let outcomes = play(seed.parse().expect("the seed is a number"));
        eprintln!("{outcomes:?}");
        return;
    }
    let mut all: BTreeMap<Outcome, u64> = BTreeMap::new();
    for (outcome, count) in SEEDS.flat_map(play) {
        *all.entry(outcome).or_default() += count;
    }
    // The rules of this world all keep sessions, and none of them has ever been ingress-nginx's.
    let elsewhere = [Outcome::Unpinned, Outcome::Adopted];
    for outcome in Outcome::ALL.into_iter().filter(|outcome| !elsewhere.contains(outcome)) {
        assert!(all.get(&outcome).is_some_and(|count| *count >= 20), "{outcome:?} has hardly been seen: {all:?}");
    }
}

#[test]
fn equal_seeds_are_equal_runs() {
    assert_eq!(play(7), play(7));
}
