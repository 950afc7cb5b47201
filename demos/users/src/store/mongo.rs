//! Users in a MongoDB replica set.
//!
//! # What is promised
//!
//! A user whose request was answered with 201 is on a majority of the members, and stays. That is what write concern
//! *majority* is for, which no connection string can weaken here. Names and keys are unique because two indexes say so,
//! and they exist before the first user is written.
//!
//! # Who reads where
//!
//! On the primary, and while there is none on whoever is left: a list that may lack the newest users is worth more than
//! no list. What is read is on a majority, so that nothing is seen that a fail-over takes away again.

mod calls;
mod document;
mod failure;
mod watch;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mongodb::{
    Client, Collection, IndexModel,
    bson::doc,
    error::Result,
    options::{
        ClientOptions, CollectionOptions, IndexOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern,
    },
};
use tokio::{
    sync::{OnceCell, watch as channel},
    time::timeout,
};

use self::{
    calls::Calls,
    document::UserDocument,
    failure::{of_read, of_write},
};
use super::{CreateError, Created, NewUser, Store, StoreError};
use crate::user::{IdempotencyKey, User, UserId, Username};

/// How a replica set is spoken to.
#[derive(Clone, Debug)]
pub struct MongoSettings {
    /// The connection string: `mongodb://host,host/?replicaSet=name`.
    pub uri: String,
    /// The database in which the collection `users` is.
    pub database: String,
    /// For how long a client waits for an answer. What has begun goes on behind its back.
    pub deadline: Duration,
}

/// Users in a MongoDB replica set.
#[derive(Debug)]
pub struct Mongo {
    shared: Arc<Shared>,
    calls: Calls,
    /// Ends the watch, by what it says or when it is dropped.
    closing: channel::Sender<bool>,
}

/// What calls need that may outlive the request, and the store.
#[derive(Debug)]
struct Shared {
    client: Client,
    users: Collection<UserDocument>,
    indexed: OnceCell<()>,
    has_primary: AtomicBool,
}

impl Mongo {
    /// A store that begins to look for its replica set. It is not ready before a primary answers; there need not be one yet.
    ///
    /// # Errors
    /// If the connection string makes no sense.
    pub async fn start(settings: MongoSettings) -> Result<Self> {
        let mut options = ClientOptions::parse(&settings.uri).await?;
        options.app_name.get_or_insert_with(|| "moorline-users".to_owned());
        options.server_selection_timeout.get_or_insert(SELECTION_TIME);
        options.connect_timeout.get_or_insert(CONNECT_TIME);
        let client = Client::with_options(options)?;
        let users = client.database(&settings.database).collection_with_options("users", promises());
        let shared = Arc::new(Shared { client, users, indexed: OnceCell::new(), has_primary: AtomicBool::new(false) });
        let (closing, closes) = channel::channel(false);
        tokio::spawn(watch::run(Arc::clone(&shared), closes));
        Ok(Self { shared, calls: Calls::new(settings.deadline), closing })
    }
}

impl Store for Mongo {
    async fn create(&self, NewUser { user, key }: NewUser) -> std::result::Result<Created, CreateError> {
        let shared = Arc::clone(&self.shared);
        let call = async move { shared.create(user, key).await };
        self.calls.run(call).await.map_err(of_write)?
    }

    async fn find(&self, id: UserId) -> std::result::Result<Option<User>, StoreError> {
        let users = self.shared.users.clone();
        let call = async move { users.find_one(doc! { "_id": document::id(id) }).max_time(READ_TIME).await };
        Ok(self.calls.run(call).await.map_err(of_read)?.map(User::from))
    }

    async fn list(&self, after: Option<UserId>, limit: u16) -> std::result::Result<Vec<User>, StoreError> {
        let users = self.shared.users.clone();
        self.calls.run(async move { list(&users, after, limit).await }).await.map_err(of_read)
    }

    fn is_ready(&self) -> bool {
        self.shared.has_primary.load(Ordering::Relaxed)
    }

    async fn close(&self) {
        self.closing.send_replace(true);
        let client = self.shared.client.clone();
        // Spawned, since the driver wants its futures to run to their end. The process waits for a while only.
        let _ = timeout(CLOSE_TIME, tokio::spawn(async move { client.shutdown().await })).await;
    }
}

impl Shared {
    /// The indexes without which nothing may be written. Harmless to repeat, and done once.
    async fn prepare(&self) -> Result<()> {
        let create = || async {
            // Users without a key are not in its index.
            let keyed = doc! { "idempotencyKey": { "$exists": true } };
            let name = IndexOptions::builder().unique(true).build();
            let key = IndexOptions::builder().unique(true).partial_filter_expression(keyed).build();
            let indexes = [
                IndexModel::builder().keys(doc! { "username": 1 }).options(name).build(),
                IndexModel::builder().keys(doc! { "idempotencyKey": 1 }).options(key).build(),
            ];
            self.users.create_indexes(indexes).await.map(drop)
        };
        self.indexed.get_or_try_init(create).await.map(drop)
    }

    /// Inserts, and asks the indexes what was there already. Looking first would be a race.
    async fn create(
        &self,
        user: User,
        key: Option<IdempotencyKey>,
    ) -> Result<std::result::Result<Created, CreateError>> {
        self.prepare().await?;
        let inserted = self.users.insert_one(UserDocument::new(&user, key.as_ref())).await;
        match inserted {
            Ok(_) => Ok(Ok(Created::Now(user))),
            Err(error) if failure::is_duplicate(&error) => self.before(&user.username, key.as_ref()).await,
            Err(error) => Err(error),
        }
    }

    /// What stood in the way of an insert: an earlier request with the same key, or another user with the name.
    ///
    /// Read *linearizably*: the user may have been written a moment ago by a request whose client got no answer, and this
    /// answer promises that it stays.
    async fn before(
        &self,
        username: &Username,
        key: Option<&IdempotencyKey>,
    ) -> Result<std::result::Result<Created, CreateError>> {
        let Some(key) = key else { return Ok(Err(CreateError::UsernameTaken)) };
        let found = self
            .users
            .find_one(doc! { "idempotencyKey": key.as_str() })
            .read_concern(ReadConcern::linearizable())
            .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
            .max_time(READ_TIME)
            .await?;
        Ok(match found.map(User::from) {
            Some(before) if before.username == *username => Ok(Created::Before(before)),
            Some(_) => Err(CreateError::KeyReused),
            None => Err(CreateError::UsernameTaken),
        })
    }
}

async fn list(users: &Collection<UserDocument>, after: Option<UserId>, limit: u16) -> Result<Vec<User>> {
    let filter = after.map_or_else(|| doc! {}, |after| doc! { "_id": { "$gt": document::id(after) } });
    let find = users.find(filter).sort(doc! { "_id": 1 }).limit(limit.into()).batch_size(limit.into());
    let mut cursor = find.max_time(READ_TIME).await?;
    let mut found = Vec::new();
    while cursor.advance().await? {
        found.push(cursor.deserialize_current()?.into());
    }
    Ok(found)
}

/// What the collection promises, whatever the connection string says.
fn promises() -> CollectionOptions {
    let mut write = WriteConcern::majority();
    write.w_timeout = Some(MAJORITY_TIME);
    CollectionOptions::builder()
        .write_concern(write)
        .read_concern(ReadConcern::majority())
        .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::PrimaryPreferred {
            options: Default::default(),
        }))
        .build()
}

/// Longer than an orderly change of primaries takes; an election after a crash may take twice as long.
const SELECTION_TIME: Duration = Duration::from_secs(5);
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// For the majority to confirm a write.
const MAJORITY_TIME: Duration = Duration::from_secs(5);
/// For the server to answer a read.
const READ_TIME: Duration = Duration::from_secs(5);
const CLOSE_TIME: Duration = Duration::from_secs(5);
