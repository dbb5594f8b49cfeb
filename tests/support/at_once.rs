//! Requests at the same time.

use std::task::Poll;

/// The answers to `count` requests that run at once, in the order in which they came.
pub async fn all<A, F: Future<Output = A>>(count: usize, one: impl Fn() -> F) -> Vec<A> {
    let mut waiting: Vec<_> = (0..count).map(|_| Box::pin(one())).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        waiting.retain_mut(|future| match future.as_mut().poll(context) {
            Poll::Ready(answer) => {
                done.push(answer);
                false
            }
            Poll::Pending => true,
        });
        if waiting.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done
}
