//! What is sent to sources: by others over HTTP, and as records of asynchronous invocations.

use super::{
    super::{
        ReceiveError,
        inbox::{self, Post},
    },
    Running, Shared, Triggers,
};
use crate::{
    config::{InboxConfig, InboxKind, SourceConfig},
    delivery::Refusal,
    trigger::payload::{Message, Occurrence},
};

impl Triggers {
    /// Keeps what came to a source of the kind for its triggers, all of it or nothing. When this returns, it is durable.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub(crate) async fn receive(
        &self,
        source: &str,
        config: &InboxConfig,
        came: &[Occurrence],
    ) -> Result<(), ReceiveError> {
        // What came before that would be kept for nobody.
        let _ = self.0.ready.subscribe().wait_for(|ready| *ready).await;
        let names = self.0.inboxes_of(source, config);
        let post = Post::to(&self.0.inboxes, names, came, config.max_messages)
            .ok_or_else(|| ReceiveError::Full(config.max_messages, source.to_owned()))?;
        let notes: Vec<_> = post.notes().collect();
        if !notes.is_empty() {
            self.0.delivery.note(notes).await?;
        }
        post.kept();
        Ok(())
    }

    /// A message for an embedded queue, or for every trigger of an embedded topic, with the room that it takes.
    ///
    /// # Errors
    /// There is no room, or it is not known which triggers there are.
    pub(crate) fn post(&self, source: &str, config: &InboxConfig, message: Message) -> Result<Post, Refusal> {
        // A topic keeps nothing for triggers that are not known yet, or not any more.
        if !*self.0.ready.borrow() || *self.0.draining.borrow() {
            return Err(Refusal::Held("the triggers are starting or stopping".to_owned()));
        }
        let names = self.0.inboxes_of(source, config);
        let post = Post::to(&self.0.inboxes, names, &[Occurrence::Message(message)], config.max_messages);
        post.ok_or_else(|| {
            Refusal::Held(format!(
                "{} messages wait at source '{source}', which is its `max_messages`",
                config.max_messages
            ))
        })
    }

    /// Sends a message to a broker. It may come twice if this fails, or is not waited for.
    ///
    /// # Errors
    /// Why the broker does not take it.
    pub(crate) async fn publish(&self, source: &str, config: &SourceConfig, message: Message) -> Result<(), Refusal> {
        self.0.publishers.publish(source, config, message).await
    }
}

impl Shared {
    /// Where what comes to a source is kept: in the queue's own inbox, or in those of all its triggers.
    fn inboxes_of(&self, source: &str, config: &InboxConfig) -> Vec<String> {
        if config.kind == InboxKind::Queue {
            return vec![inbox::of_queue(source)];
        }
        let running = self.running.lock();
        let takes = |running: &Running| {
            let bound = running.what.as_ref();
            bound.is_ok_and(|bound| bound.trigger.enabled && bound.trigger.source.as_deref() == Some(source))
        };
        running.iter().filter(|(_, running)| takes(running)).map(|(id, _)| id.clone()).collect()
    }
}
