use axum::http::StatusCode;
use moorline_service::testing::Connection;

use crate::support::{Loggers, connect, knock, readme, say};

const PODS: [&str; 3] = ["logger-0", "logger-1", "logger-2"];

async fn log(client: &mut Connection) -> String {
    let answer = client.get("/log?lines=1000").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.body
}

#[tokio::test]
async fn each_instance_keeps_its_own_log_when_its_pod_is_deleted() {
    let loggers = Loggers::deploy("logs");
    for pod in PODS {
        let said = say(&mut loggers.client(pod).await, &format!("hello {pod}")).await;
        assert_eq!((said.status, said.header("x-served-by")), (StatusCode::CREATED, pod));
    }
    for replaced in PODS {
        loggers.replace(replaced);
        let log = log(&mut loggers.client(replaced).await).await;
        for pod in PODS {
            let count = log.matches(&format!("text=\"hello {pod}\"")).count();
            assert_eq!(count, usize::from(pod == replaced), "{pod} in the log of {replaced}:\n{log}");
        }
        // One life, ended in order, and another.
        let lives: Vec<_> = log.lines().filter(|line| line.ends_with(&format!("instance={replaced}"))).collect();
        let [started, ended, again] = lives[..] else { panic!("{log}") };
        assert!(started.contains(" started ") && ended.contains(" ended ") && again.contains(" started "), "{log}");
        assert!(log.starts_with(started), "nothing is lost:\n{log}");
    }
}

#[tokio::test]
async fn the_service_of_a_pod_answers_where_the_pod_runs_and_sees_the_clients_own_address() {
    let loggers = Loggers::deploy("services");
    for pod in PODS {
        answers_at_its_node_alone(&loggers, pod).await;
        let mut client = connect(loggers.load_balancer(pod)).await;
        assert_eq!(client.get("/healthz").await.header("x-served-by"), pod);
        sees_me(&mut client, "through its load balancer").await;
    }
}

async fn answers_at_its_node_alone(loggers: &Loggers, pod: &str) {
    let mut client = loggers.client(pod).await;
    assert_eq!(client.get("/healthz").await.header("x-served-by"), pod);
    sees_me(&mut client, "at its node").await;
    for other in loggers.node_ports(pod).elsewhere {
        assert!(knock(other).await.is_none(), "{pod} is not at {other}, and must not be reached through it");
    }
}

/// The line of a message from here names the address that this end of the connection has.
async fn sees_me(client: &mut Connection, how: &str) {
    let said = say(client, how).await;
    let line = said.json()["line"].as_str().expect("a line").to_owned();
    let me = client.local_addr();
    assert!(line.contains(&format!("message client={me} ")), "{how}: I am {me}, and it says {line}");
}

#[tokio::test]
async fn each_pod_has_a_name_that_follows_it() {
    let loggers = Loggers::deploy("names");
    for round in ["before", "after"] {
        for (number, pod) in PODS.into_iter().enumerate() {
            let ip = loggers.pod(pod)["status"]["podIP"].as_str().expect("an address").to_owned();
            let answer = loggers.ask(&format!("ask-{round}-{number}"), &format!("{pod}.logger"), "/log?lines=1");
            assert!(answer.contains(&format!("{pod}.logger is {ip}\n")), "{pod} is at {ip}:\n{answer}");
            assert!(answer.contains("HTTP/1.1 200 OK") && answer.contains(&format!("x-served-by: {pod}")), "{answer}");
        }
        if round == "before" {
            loggers.replace("logger-1");
        }
    }
}

#[tokio::test]
async fn without_load_balancers_an_overlay_has_node_ports_and_the_same_promises() {
    let loggers = Loggers::deploy_overlay("node-ports", "overlays/logger-nodeport");
    for pod in PODS {
        assert_eq!(loggers.service_type(pod), "NodePort");
        answers_at_its_node_alone(&loggers, pod).await;
    }
}

#[test]
fn the_readmes_commands_do_what_it_says() {
    assert_eq!(readme(), 7);
}
