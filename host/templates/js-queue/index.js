// Called with each message of the queue, once it is durable; a failed call is repeated.

export function handler(event) {
  const { id, data } = JSON.parse(event.toString());
  const { to, text } = JSON.parse(data.messageBody);
  if (!to) {
    throw new Error("a letter without an address");
  }
  console.log(`${id}: to ${to}: ${text}`);
  return { delivered: to };
}
