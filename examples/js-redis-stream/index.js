// Counts clicks by page. A record is a tuple: its columns are the fields of the entry, in their order.
exports.handler = (event, context, callback) => {
  const clicks = {};
  for (const { data } of JSON.parse(event.toString()).records) {
    const [page] = JSON.parse(data);
    clicks[page] = (clicks[page] ?? 0) + 1;
  }
  context.logger.info(`clicks: ${JSON.stringify(clicks)}`);
  callback(null, clicks);
};
