//! Admission of requests. A worker handles a limited number at a time, and refuses others before their callers are
//! looked up: a refusal must cost little, or a busy server is busy with refusing.
//!
//! A request counts while its handler works, but not while it waits for its client to send the body, and not while its
//! response is delayed or sent. So slow clients take no place of others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::ServiceRequest;
use tokio::time::sleep;

use crate::actors::admission::{Admission, Permit, with_permit};
use crate::http::health;
use crate::{entropy, failpoints};

/// How many requests a worker handles at a time: as many as the registry admits.
const CAPACITY: usize = 512;
/// How many during overload. Two workers then handle as many as the registry admits.
const SHED_CAPACITY: usize = 32;
/// How long a refusal takes at least, and how much longer at most. A client that repeats at once then costs little, and
/// clients that were refused together do not return together.
const REFUSAL_DELAY: Duration = Duration::from_millis(100);
const REFUSAL_DELAY_SPREAD: Duration = Duration::from_millis(100);

/// The requests that a worker handles, as `app_data`.
#[derive(Clone, Debug)]
pub struct WorkerAdmission(Arc<Admission>);

impl Default for WorkerAdmission {
    fn default() -> Self {
        let limit = |capacity| failpoints::limit("admission.capacity", capacity);
        Self(Admission::new(limit(CAPACITY), limit(SHED_CAPACITY)))
    }
}

/// Whether a request is handled.
pub enum Admitted {
    /// It counts until the permit is dropped.
    Counted(Permit),
    /// It is handled in any case, and does not count.
    Exempt,
}

/// Admits a request, unless its worker handles too many. The endpoints of the operator are always admitted.
pub fn admit(request: &ServiceRequest) -> Option<Admitted> {
    if health::PATHS.contains(&request.path()) {
        return Some(Admitted::Exempt);
    }
    let Some(WorkerAdmission(admission)) = request.app_data() else { return Some(Admitted::Exempt) };
    admission.try_acquire(Instant::now()).map(Admitted::Counted)
}

/// Does the work of an admitted request.
pub async fn run<T>(admitted: Admitted, work: impl Future<Output = T>) -> T {
    match admitted {
        Admitted::Counted(permit) => with_permit(permit, work).await,
        Admitted::Exempt => work.await,
    }
}

/// Waits until a refusal may be sent.
pub async fn delay_refusal() {
    let fraction = f64::from(u16::from_le_bytes(entropy::bytes())) / f64::from(u16::MAX);
    sleep(REFUSAL_DELAY + REFUSAL_DELAY_SPREAD.mul_f64(fraction)).await;
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use actix_http::BoxedPayloadStream;
    use actix_web::dev::{Payload, Service};
    use actix_web::http::header::RETRY_AFTER;
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_service, init_service};
    use actix_web::{App, HttpResponse, rt, web};
    use futures_util::stream;
    use tokio::sync::Semaphore;
    use tokio::task::yield_now;

    use super::*;
    use crate::http::extract::body::Body;
    use crate::http::middleware::handler::run_handler;

    /// An app that handles two requests at a time. Its handlers count in `started` and wait for a permit of `gate`.
    macro_rules! app {
        ($admission:expr, $started:expr, $gate:expr) => {{
            let (started, gate) = (Rc::clone(&$started), Rc::clone(&$gate));
            let handler = move |_: Body| {
                let (started, gate) = (Rc::clone(&started), Rc::clone(&gate));
                async move {
                    started.set(started.get() + 1);
                    gate.acquire().await.unwrap().forget();
                    HttpResponse::Ok().finish()
                }
            };
            let resource = |path: &str| web::resource(path).wrap(from_fn(run_handler));
            let app = App::new()
                .app_data($admission.clone())
                .service(resource("/wait").to(handler))
                .service(resource("/healthz").to(|| async { HttpResponse::Ok().finish() }));
            Rc::new(init_service(app).await)
        }};
    }

    async fn until(is_done: impl Fn() -> bool) {
        while !is_done() {
            yield_now().await;
        }
    }

    #[actix_web::test]
    async fn request_beyond_the_capacity_is_refused_until_another_one_ends() {
        let admission = WorkerAdmission(Admission::new(2, 2));
        let (started, gate) = (Rc::new(Cell::new(0)), Rc::new(Semaphore::new(0)));
        let app = app!(admission, started, gate);
        let send = || {
            let app = Rc::clone(&app);
            rt::spawn(async move { call_service(&*app, TestRequest::get().uri("/wait").to_request()).await })
        };
        let held = [send(), send()];
        until(|| started.get() == 2).await;
        let refused = send().await.unwrap();
        assert_eq!(
            (refused.status().as_u16(), refused.headers().get(RETRY_AFTER).unwrap().as_bytes()),
            (503, &b"1"[..])
        );
        let health = call_service(&*app, TestRequest::get().uri("/healthz").to_request()).await;
        assert_eq!((health.status().as_u16(), started.get()), (200, 2));
        // A client that disconnects, and one that is answered.
        let [gone, answered] = held;
        gone.abort();
        assert!(gone.await.is_err());
        let next = send();
        until(|| started.get() == 3).await;
        gate.add_permits(2);
        for response in [answered.await, next.await] {
            assert_eq!(response.unwrap().status(), 200);
        }
        assert_eq!(admission.0.in_use(), 0);
    }

    #[actix_web::test]
    async fn request_whose_body_has_not_arrived_is_not_counted() {
        let admission = WorkerAdmission(Admission::new(1, 1));
        let (started, gate) = (Rc::new(Cell::new(0)), Rc::new(Semaphore::new(1)));
        let app = app!(admission, started, gate);
        let request = TestRequest::post().uri("/wait").to_request();
        let body: BoxedPayloadStream = Box::pin(stream::pending());
        let (slow, _) = request.replace_payload(Payload::Stream { payload: body });
        let slow = {
            let app = Rc::clone(&app);
            rt::spawn(async move { app.call(slow).await.map(|_| ()) })
        };
        yield_now().await;
        let other = call_service(&*app, TestRequest::get().uri("/wait").to_request()).await;
        assert_eq!((other.status().as_u16(), started.get()), (200, 1));
        assert!(!slow.is_finished());
        slow.abort();
        assert!(slow.await.is_err());
        assert_eq!(admission.0.in_use(), 0);
    }
}
