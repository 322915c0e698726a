// Package events is the whole protocol of Tranship: the CloudEvents that its services exchange, the subjects on which
// they travel, and nothing else.
//
// It is the one public Go package. A program in any language that follows it is a valid stage of a run.
//
// # A run
//
// A run is one execution of a policy: a saga of steps (capture, mask, transfer, restore, verify). A step fans out into
// tasks, the part that one worker takes. What happened is a journal of events; what is to be done is a stream of
// commands; both are CloudEvents 1.0 in structured JSON (content type application/cloudevents+json). A message that
// carries several events is a CloudEvents batch (application/cloudevents-batch+json) and is appended as a whole.
//
// # Subjects
//
//	saga.<tenant>.<run>.run                                     decisions about a run; the scheduler alone writes them
//	saga.<tenant>.<run>.<stage>.<cluster>.<step>.<task>         facts of one task; the last message is its truth
//	work.<stage>.<cluster>.<tenant>.<run>.<step>.<task>         a command to the workers of a stage near a cluster
//	work.trigger.<tenant>.<run>                                 a request to the scheduler: start or control a run
//	work.timer.<tenant>.<run>                                   a timer that the scheduler set for a run has fired
//	at.<...>                                                    a message schedule; one per subject
//
// # A stage
//
// A worker takes a command and answers on the command's replySubject:
//
//  1. It reads the last message of the run's own subject: while the extension runstate is not "running" (for a
//     compensation: "compensating"), the run does not want the work, and the command is acknowledged and dropped. It then
//     reads the last message of replySubject. A terminal fact, or one of a newer attempt: the same.
//  2. It appends task.claimed, expecting the sequence it read (header Nats-Expected-Last-Subject-Sequence). The
//     sequence of the accepted claim is the worker's fence. A refusal means that somebody else appended: start over.
//  3. It works; every effect is idempotent or carries the fence. It keeps the command alive (in progress) meanwhile.
//  4. It appends task.completed or task.failed, expecting its claim's sequence. A refusal means that it has lost the
//     task: it stops and does not acknowledge.
//  5. It acknowledges the command.
//
// An acknowledgement is not a commit: the append is. Transcripts of such exchanges, with subjects, headers and bodies, are
// in testdata/transcript: one of a task that completes and one of a task that changes hands and fails.
//
// A message that a schedule emitted names the schedule's own subject in the header Nats-Scheduler. A worker terminates,
// unread, every message where that subject is not below "at.": any message of the work queue can carry a schedule, and who
// may only ask for runs must not be able to command workers.
//
// # Types
//
// Catalogue lists every type. The JSON Schema of a type's payload is in the directory schema and has the name that the
// event's dataschema gives; a message of each type is in testdata/golden. A version of a type only ever gains fields that
// may be absent: readers ignore fields that they do not know, and what was required stays so.
//
// # Bytes
//
// Events carry references, never data: captures, plans and reports are objects in a store. Secrets travel as references
// that only the worker that needs them resolves.
package events
