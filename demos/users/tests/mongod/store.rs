use crate::{laws::laws, support::Service};

/// A set of one member does all that a larger one does, but fail over.
async fn service() -> Service {
    Service::start(1).await
}

laws! { service }
