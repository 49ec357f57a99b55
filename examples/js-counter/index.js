// How often this instance was called, from a number that its initializer has set.
let calls;

exports.my_initializer = function (context, callback) {
  console.log('hello world');
  calls = 0;
  callback(null, "");
};

exports.my_handler = function (event, context, callback) {
  const { step = 1 } = event.length > 0 ? JSON.parse(event.toString()) : {};
  if (!Number.isInteger(step)) {
    return callback(new TypeError(`step is ${JSON.stringify(step)}: give a whole number`));
  }
  calls += step;
  console.log('counted to %d', calls);
  callback(null, { calls, requestId: context.requestId });
};
