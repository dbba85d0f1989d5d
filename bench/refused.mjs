/** A measurement that must not be reported: the message says why. */
export class Refused extends Error {
  name = 'Refused'
}
