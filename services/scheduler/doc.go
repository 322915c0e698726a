// Package scheduler decides the course of runs. It alone writes on a run's own subject and alone hands out commands.
//
// It takes facts from the journal (reactor), timers, requests to start or control a run, and looks at every open run once
// a minute (reconciler). Each of them ends in the same place: fold the run's journal, decide, append by compare-and-set,
// then publish the commands and set the timers that follow from the new state.
//
// It holds no state that matters: any number of replicas work side by side without a leader, and one that dies anywhere is
// replaced by whoever gets the same message next. It holds no keys of stores or databases, and never sees data.
package scheduler
