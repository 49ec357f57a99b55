// Objects that every call makes are copies of ones that stay. The engine forgets how objects of a kind are laid out with the
// last of them, and finds it out anew, property by property.

// `copy(of, ...values)`: a plain object like `of`, in which the values stand for what is undefined there, in turn.
const { __copy: copy } = Object;
delete Object.__copy;
export { copy };

// What to copy. `own` are properties that nobody comes across who lists them.
export function original(prototype, properties, own = {}) {
  const object = Object.assign(Object.create(prototype), properties);
  for (const [name, value] of Object.entries(own)) Object.defineProperty(object, name, { value, writable: true, configurable: true });
  return object;
}
