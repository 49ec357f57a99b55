// Takes orders from a topic, each once: a message may come twice, and its id tells.
const taken = new Set();

exports.handler = (event, context, callback) => {
  const notice = JSON.parse(event.toString());
  if (taken.has(notice.MessageId)) return callback(null, 'taken already');
  taken.add(notice.MessageId);
  const { order } = JSON.parse(notice.Message);
  context.logger.info(`order ${order} of ${notice.TopicName}, published at ${new Date(notice.PublishTime).toISOString()}`);
  callback(null, { order });
};
