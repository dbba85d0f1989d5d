import { jsonObject } from './envelope.ts'

// An app's own records: Convene keeps and orders what happens to them and leaves their fields to the app.
export const taskPayload = jsonObject
export const commentPayload = jsonObject
export const projectPayload = jsonObject
export const editorPayload = jsonObject
