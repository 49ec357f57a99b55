export const f = (e) => e;
