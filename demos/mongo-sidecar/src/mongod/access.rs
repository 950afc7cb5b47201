//! How a mongod is talked to: as whom, and whether over TLS.

use std::{fmt, path::PathBuf, time::Duration};

use mongodb::options::{ClientOptions, Credential, ServerAddress, TlsOptions};

use super::CommandError;

/// Everything but the address.
#[derive(Clone, Default)]
pub struct Access {
    /// User, password and the database that knows them.
    pub user: Option<(String, String, String)>,
    /// Absent: without TLS.
    pub tls: Option<Tls>,
}

/// TLS to mongod.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Who signs the servers' certificates; absent: the authorities of the web.
    pub ca: Option<PathBuf>,
    /// Our own certificate and key, in one file.
    pub certificate_key: Option<PathBuf>,
    /// Believe any certificate.
    pub allow_invalid_certificates: bool,
}

impl Access {
    /// The same without the user.
    pub(super) fn anonymous(&self) -> Self {
        Self { user: None, tls: self.tls.clone() }
    }

    /// For a direct connection. Somebody who `watches` the server hears of changes within the heartbeat, whoever only asks
    /// once is answered or not within a few seconds.
    pub(super) fn options(&self, address: &str, watches: bool) -> Result<ClientOptions, CommandError> {
        let mut options = ClientOptions::default();
        options.hosts = vec![ServerAddress::parse(address)?];
        options.direct_connection = Some(true);
        options.app_name = Some("moorline-mongo-sidecar".to_owned());
        options.connect_timeout = Some(CONNECT);
        options.server_selection_timeout = Some(SELECT);
        options.max_pool_size = Some(2);
        // A server that came back after it was down is to be noticed soon.
        options.heartbeat_freq = Some(if watches { Duration::from_secs(2) } else { Duration::from_secs(10) });
        if let Some((user, password, database)) = &self.user {
            let mut credential = Credential::default();
            credential.username = Some(user.clone());
            credential.password = Some(password.clone());
            credential.source = Some(database.clone());
            options.credential = Some(credential);
        }
        if let Some(tls) = &self.tls {
            let mut wanted = TlsOptions::default();
            wanted.ca_file_path.clone_from(&tls.ca);
            wanted.cert_key_file_path.clone_from(&tls.certificate_key);
            wanted.allow_invalid_certificates = Some(tls.allow_invalid_certificates);
            options.tls = Some(mongodb::options::Tls::Enabled(wanted));
        }
        Ok(options)
    }
}

/// Without the password.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_ref().map(|(user, _, database)| (user, database));
        f.debug_struct("Access").field("user", &user).field("tls", &self.tls).finish()
    }
}

const CONNECT: Duration = Duration::from_secs(2);
const SELECT: Duration = Duration::from_secs(3);
