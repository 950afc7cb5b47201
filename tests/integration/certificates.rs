//! Certificates that change while the proxy runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::{Authority, eventually, origin, program, proxy, until};
use crate::tls::{A, ONE, secured};

#[tokio::test]
async fn a_new_certificate_ends_no_connection() {
    let authority = Authority::new();
    let (_a, proxy) = secured(&authority).await;
    let browser = authority.browser();
    let mut open = browser.connect(proxy.tls(), "a.example").await;
    open.request(A, "").await.expect(200);
    let new = authority.issue("cert", &["a.example"]);
    proxy.shows("a.example", &new).await;
    open.request(A, "").await.expect(200);
    assert!(open.shown() != new);
    // Who has a ticket goes on with it, and still gets what it asks for.
    browser.connect(proxy.tls(), "a.example").await.request(A, "").await.expect(200);
}

#[tokio::test]
async fn certificates_change_under_load_and_nobody_notices() {
    let authority = Authority::new();
    let (_a, proxy) = secured(&authority).await;
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|at| {
            let (browser, address) = (authority.browser(), proxy.tls());
            let (stop, served) = (Arc::clone(&stop), Arc::clone(&served));
            tokio::spawn(async move {
                let mut client = browser.connect(address, "a.example").await;
                while !stop.load(Ordering::SeqCst) {
                    if at % 2 == 0 {
                        client = browser.connect(address, "a.example").await;
                    }
                    client.request(A, "").await.expect(200);
                    served.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for _ in 0..6 {
        let new = authority.issue("cert", &["a.example"]);
        proxy.shows("a.example", &new).await;
        let before = served.load(Ordering::SeqCst);
        eventually("requests go on", || served.load(Ordering::SeqCst) > before + 20).await;
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.expect("every request was served");
    }
}

#[tokio::test]
async fn a_broken_pair_keeps_the_one_before_it() {
    let authority = Authority::new();
    let (_a, proxy) = secured(&authority).await;
    let old = authority.browser().connect(proxy.tls(), "a.example").await.shown();
    let failures = "moorline_tls_certificate_reloads_total{result=\"failure\"}";
    let (new, cert, key) = authority.made(&["a.example"]);
    for (broken, file, text) in [("no PEM", "cert.pem", "nonsense"), ("another's certificate", "cert.pem", &*cert)] {
        let before = proxy.metric(failures).await.unwrap();
        authority.put(file, text);
        until(&format!("{broken} is noticed"), async || proxy.metric(failures).await.unwrap() > before).await;
        let mut client = authority.browser().connect(proxy.tls(), "a.example").await;
        assert!(client.shown() == old, "{broken}");
        client.request(A, "").await.expect(200);
    }
    authority.put("cert.key", &key);
    proxy.shows("a.example", &new).await;
    let expiry = proxy.metric("moorline_tls_certificate_not_after_timestamp_seconds{name=\"cert.pem\"}").await;
    assert!(expiry.is_some_and(|at| at > 1e9), "{expiry:?}");
}

#[tokio::test]
async fn a_broken_pair_is_said_in_the_log_by_its_file() {
    let authority = Authority::new();
    authority.issue("cert", &["a.example"]);
    let a = origin("a").run().await;
    authority.put("moorline.yaml", &proxy().endpoint(&a).tls(ONE).text());
    let path = authority.folder().join("moorline.yaml");
    let program = program(&["run", "-c", path.to_str().expect("a path")]);
    let another = authority.made(&["a.example"]).1;
    for (text, why) in [("nonsense", "cert.pem has no certificate in PEM"), (&another, "does not fit the certificate")]
    {
        authority.put("cert.pem", text);
        let said = program.says(why);
        assert!(said.contains("ERROR") && said.contains("cert.pem"), "{said}");
        assert!(said.contains("a certificate was not reloaded, the last good one serves on"), "{said}");
    }
}

/// As Kubernetes mounts a Secret: the files are links through a folder that is another one after each change.
#[tokio::test]
async fn a_mounted_secret_that_changes_is_read_again() {
    use std::os::unix::fs::symlink;
    let authority = Authority::new();
    let mount = authority.folder().join("mount");
    let write = |version: &str| {
        let (certificate, cert, key) = authority.made(&["a.example"]);
        std::fs::create_dir_all(mount.join(version)).unwrap();
        std::fs::write(mount.join(version).join("tls.crt"), cert).unwrap();
        std::fs::write(mount.join(version).join("tls.key"), key).unwrap();
        symlink(version, mount.join("..data_tmp")).unwrap();
        std::fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
        certificate
    };
    let first = write("..1");
    symlink("..data/tls.crt", mount.join("tls.crt")).unwrap();
    symlink("..data/tls.key", mount.join("tls.key")).unwrap();
    let a = origin("a").run().await;
    let pair = "certificates: [{ cert: mount/tls.crt, key: mount/tls.key }]";
    let proxy = proxy().endpoint(&a).tls(pair).run_in(authority.folder());
    proxy.shows("a.example", &first).await;
    proxy.shows("a.example", &write("..2")).await;
    proxy.shows("a.example", &write("..3")).await;
}

#[tokio::test]
async fn a_certificate_that_is_added_is_shown_without_a_restart() {
    let authority = Authority::new();
    let (a, proxy) = secured(&authority).await;
    let second = authority.issue("second", &["b.example"]);
    let both = "certificates: [{ cert: cert.pem, key: cert.key }, { cert: second.pem, key: second.key }]";
    let builder = crate::support::proxy().endpoint(&a).tls(both);
    authority.put("moorline.yaml", &builder.text());
    proxy.shows("b.example", &second).await;
}
