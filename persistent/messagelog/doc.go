// Package messagelog holds the ordered log of outgoing messages that lies
// under persistent connections: one sequence of entries over all topics, read
// again by those who missed a part of it.
//
// [Log] is the contract, [Memory] the log of a single process and the default.
package messagelog
