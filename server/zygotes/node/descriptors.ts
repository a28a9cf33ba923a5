/** The numbers of what every language process has besides 0, 1 and 2. */
export const LINK = 3;
export const RESULT = 4;
/** Of a spawned process, until it is read. */
export const SPECIFICATION = 5;
