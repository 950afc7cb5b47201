//! Backends and their endpoints.

use std::collections::HashMap;

use super::super::problem::{Place, Problem, Problems};
use super::super::typed::{At, Keyed, Named, suggest};
use super::super::{BackendSpec, EndpointSpec, scalar, schema};
use super::{parsed, upstream};
use crate::routing::BackendId;

/// The backends that rules can name.
pub(super) struct Backends(Vec<Listed>);

struct Listed {
    spec: BackendSpec,
    place: Place,
    used: bool,
}

pub(super) fn check(typed: &Named<Keyed<schema::Backend>>, problems: &mut Problems) -> Backends {
    let mut backends = Vec::new();
    for (name, backend) in &typed.0 {
        let opened = backend.open(problems);
        let endpoints = opened.map(|backend| endpoints(&backend.endpoints, name, problems)).unwrap_or_default();
        let (protocol, tls) = opened.map(|backend| upstream::check(backend, problems)).unwrap_or_default();
        // What is wrong is kept under its name, so that those who use it are not reported as well.
        parsed(name, scalar::name, problems);
        let spec = BackendSpec { id: BackendId::new(name.value.as_str()), protocol, tls, endpoints };
        backends.push(Listed { spec, place: name.place, used: false });
    }
    Backends(backends)
}

fn endpoints(typed: &[schema::Endpoint], backend: &At<String>, problems: &mut Problems) -> Vec<EndpointSpec> {
    let specs: Vec<_> = typed.iter().filter_map(|typed| endpoint(typed, problems)).collect();
    let (mut identities, mut addresses) = (HashMap::new(), HashMap::new());
    for (spec, place) in &specs {
        if let Some(first) = identities.insert(spec.identity(), *place) {
            let message = format!("{:?} is listed twice in {:?}", spec.identity(), backend.value);
            problems.push(Problem::error(*place, message).hint(format!("it is on line {} already", first.line)));
        } else if let Some(first) = addresses.insert(spec.address, *place) {
            let message = format!("{} has two names: it counts as two endpoints", spec.address);
            problems.push(Problem::warning(*place, message).hint(format!("the other one is on line {}", first.line)));
        }
    }
    let specs: Vec<_> = specs.into_iter().map(|(spec, _)| spec).collect();
    if typed.is_empty() {
        let message = format!("{:?} has no endpoints: its requests are answered with 503", backend.value);
        problems.push(Problem::warning(backend.place, message));
    } else if !specs.is_empty() && specs.iter().all(|spec| spec.drain) {
        let message = format!("every endpoint of {:?} drains: new sessions go to them all the same", backend.value);
        problems.push(Problem::warning(backend.place, message).hint("leave one without drain: true".to_owned()));
    }
    specs
}

fn endpoint(typed: &schema::Endpoint, problems: &mut Problems) -> Option<(EndpointSpec, Place)> {
    let (place, name, address, drain) = match typed {
        schema::Endpoint::Address(address) => (address.place, None, address, false),
        schema::Endpoint::Described(keyed) => {
            let described = keyed.open(problems)?;
            (keyed.place(), described.name.as_ref(), &described.address, described.drain)
        }
    };
    let named = name.map(|name| parsed(name, scalar::name, problems));
    let host = scalar::host(&address.value).map(Into::into);
    let address = parsed(address, scalar::endpoint_address, problems)?;
    // A name that is no name has been reported; the endpoint is left out, so that it is not taken for a bare address.
    let name = match named {
        None => None,
        Some(name) => Some(name?.into()),
    };
    Some((EndpointSpec { name, address, host, drain }, place))
}

impl Backends {
    /// The place of a backend in the list, for a rule that uses it.
    pub(super) fn find(&mut self, name: &At<String>, problems: &mut Problems) -> Option<usize> {
        let found = self.0.iter().position(|listed| listed.spec.id.as_str() == name.value);
        match found {
            Some(at) => self.0[at].used = true,
            None => {
                let known: Vec<_> = self.0.iter().map(|listed| listed.spec.id.as_str()).collect();
                let message = format!("there is no backend {:?}", name.value);
                problems.push(Problem::error(name.place, message).hint(suggest(&name.value, &known)));
            }
        }
        found
    }

    pub(super) fn endpoints(&self, at: usize) -> &[EndpointSpec] {
        &self.0[at].spec.endpoints
    }

    pub(super) fn warn_of_unused(&self, problems: &mut Problems) {
        for listed in self.0.iter().filter(|listed| !listed.used) {
            problems.push(Problem::warning(
                listed.place,
                format!("no rule uses the backend {:?}", listed.spec.id.as_str()),
            ));
        }
    }

    pub(super) fn into_specs(self) -> Vec<BackendSpec> {
        self.0.into_iter().map(|listed| listed.spec).collect()
    }
}
