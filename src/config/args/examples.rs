//! What stands at the end of each `--help`: commands to copy.

pub(super) const TOP: &str = "\
Examples:
  moorline proxy 127.0.0.1:9001 127.0.0.1:9002     a sticky proxy on 127.0.0.1:8080, without a file
  moorline check moorline.yaml                     is this file right?
  moorline run -c moorline.yaml                    serve it, and follow its changes
  moorline sessions                                who is moored where";

pub(super) const PROXY: &str = "\
Examples:
  moorline proxy 127.0.0.1:9001 127.0.0.1:9002
  moorline proxy --listen 0.0.0.0:80 posts-0=10.0.0.5:8080 posts-1=10.0.0.6:8080
  moorline proxy --keys keys.yaml --on-lost temporary 127.0.0.1:9001 127.0.0.1:9002
  moorline proxy --no-session 127.0.0.1:9001 127.0.0.1:9002";

pub(super) const RUN: &str = "\
Examples:
  moorline run -c moorline.yaml
  moorline run -c moorline.yaml --workers 2 --access-log json
  kill -HUP $(pidof moorline)                      read the file again; a bad one changes nothing";

pub(super) const CHECK: &str = "\
Exit codes: 0 nothing wrong (there may be warnings), 1 something wrong, 2 it could not be checked.

Examples:
  moorline check moorline.yaml
  moorline check --strict moorline.yaml            warnings fail, too
  envsubst < moorline.yaml.in | moorline check -
  moorline check -o json moorline.yaml | jq -r '.problems[].message'

Kubernetes:
  moorline check ingress.yaml                      what would be served, and what would not
  kubectl kustomize deploy/demo/posts | moorline check -
  kubectl get ingress,service,statefulset,deployment -A -o yaml | moorline check --class nginx -
  moorline check --cluster                         before the first request: is everything there?
  kubectl -n moorline exec deployment/moorline -- moorline check --cluster";

pub(super) const SESSIONS: &str = "\
Examples:
  moorline sessions
  moorline sessions --endpoint posts-0 --limit 100
  moorline sessions -o json | jq .counts
  moorline sessions --admin http://10.0.0.5:9901";

pub(super) const KEYS: &str = "\
Examples:
  moorline keys new --out keys.yaml
  moorline keys rotate keys.yaml";

pub(super) const KEYS_NEW: &str = "\
Examples:
  moorline keys new --out keys.yaml                readable by its owner only
  moorline keys new | kubectl create secret generic moorline-keys --from-file=keys.yaml=/dev/stdin";

pub(super) const KEYS_ROTATE: &str = "\
The running proxies read the file again by themselves. No session ends.

Examples:
  moorline keys rotate keys.yaml
  moorline keys rotate --lifetime 90d keys.yaml    for a file in which `absolute` is 90d";

pub(super) const COMPLETIONS: &str = "\
Examples:
  moorline completions bash > ~/.local/share/bash-completion/completions/moorline
  moorline completions zsh > \"${fpath[1]}/_moorline\"
  moorline completions fish > ~/.config/fish/completions/moorline.fish";

pub(super) const MAN: &str = "\
Examples:
  moorline man | man -l -
  moorline man --out /usr/local/share/man/man1";

pub(super) const SCHEMA: &str = "\
Examples:
  moorline schema > moorline.schema.json
  # then, as the first line of moorline.yaml:
  # yaml-language-server: $schema=moorline.schema.json";

#[cfg(feature = "kubernetes")]
pub(super) const INGRESS: &str = "\
Examples:
  moorline ingress                                   as a pod: deploy/base has the manifests
  moorline ingress --kubeconfig ~/.kube/config       from outside, to look at it
  moorline ingress --class nginx                     take over what belonged to ingress-nginx";
