// Warns of devices that are too hot. The event is what the device published.
const LIMIT = 70;

exports.handler = (event, context, callback) => {
  const { celsius } = JSON.parse(event.toString());
  if (celsius > LIMIT) context.logger.warn(`a device has ${celsius} degrees`);
  callback(null, { hot: celsius > LIMIT });
};
