// The smallest HTTP function in JavaScript.

const body = new TextEncoder().encode('hello, world\n');

export const httpHandler = {
  handle() {
    return { statusCode: 200, headers: [['content-type', 'text/plain']], body };
  },
};
