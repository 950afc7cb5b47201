//! Calls to the driver, which are not to be dropped half-way: it says itself that its connections may then be left in
//! disorder. So each is a task of its own. Its client waits for a while; the task goes on to its end, which the driver's
//! own limits bound, and keeps its place until then.

use std::{future::Future, sync::Arc, time::Duration};

use mongodb::error::Result;
use tokio::{
    sync::Semaphore,
    task::JoinError,
    time::{error::Elapsed, timeout},
};

/// A bounded number of calls at a time.
#[derive(Debug)]
pub(super) struct Calls {
    places: Arc<Semaphore>,
    deadline: Duration,
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("all places are taken")]
    Busy,
    #[error("no answer in time")]
    Late(#[from] Elapsed),
    #[error("the call did not end in peace")]
    Broken(#[from] JoinError),
    #[error(transparent)]
    Driver(#[from] mongodb::error::Error),
}

impl Calls {
    pub(super) fn new(deadline: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(PLACES)), deadline }
    }

    /// Makes a call, and waits until the deadline for its result. Cancel safe: the call is made to its end.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T>> + Send + 'static,
    ) -> std::result::Result<T, CallError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| CallError::Busy)?;
        let task = tokio::spawn(async move {
            let result = call.await;
            drop(place);
            result
        });
        Ok(timeout(self.deadline, task).await???)
    }
}

/// Several for each of the driver's ten connections; more would only wait for longer.
const PLACES: usize = 64;

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_that_nobody_waits_for_runs_to_its_end_and_keeps_its_place() {
        let calls = Calls::new(Duration::from_secs(1));
        let (go, gone) = oneshot::channel::<()>();
        let (done, mut is_done) = oneshot::channel();
        let slow = calls.run(async move {
            let _ = gone.await;
            let _ = done.send(());
            Ok(())
        });
        assert!(matches!(slow.await, Err(CallError::Late(_))));
        assert_eq!(calls.places.available_permits(), PLACES - 1);
        assert!(is_done.try_recv().is_err());
        go.send(()).expect("it still waits");
        is_done.await.expect("it ends");
        assert!(calls.run(async { Ok(()) }).await.is_ok());
        assert_eq!(calls.places.available_permits(), PLACES);
    }

    #[tokio::test(start_paused = true)]
    async fn one_call_too_many_is_refused_at_once() {
        let calls = Calls::new(Duration::ZERO);
        for _ in 0..PLACES {
            let call = calls.run(async {
                std::future::pending::<()>().await;
                Ok(())
            });
            assert!(matches!(call.await, Err(CallError::Late(_))));
        }
        assert!(matches!(calls.run(async { Ok(()) }).await, Err(CallError::Busy)));
    }
}
