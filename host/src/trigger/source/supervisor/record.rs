//! Records of asynchronous invocations whose destination is a source.

use super::{Post, Triggers};
use crate::{
    config::{InboxConfig, SourceConfig},
    delivery::Refusal,
    trigger::payload::{Message, Occurrence},
};

impl Triggers {
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
