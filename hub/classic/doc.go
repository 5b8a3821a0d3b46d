// Package classic holds the hub messages of SignalR 2 clients: invocations,
// results, progress and client calls as JSON, and the script with a proxy for
// each hub that the server makes for jQuery pages. See
// protocols/classic.md, sections 6 and 7.
//
// [Family] is what a hub server takes.
package classic
