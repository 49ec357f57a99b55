import { f } from "left-pad";
export const eventHandler = { handle(event) { return f(event); } };
