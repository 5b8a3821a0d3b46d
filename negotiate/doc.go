// Package negotiate answers "who are you, and how shall we talk": the sealed
// tokens that clients carry, the protocol version, the negotiate answer with
// its times, the parameters of a request, and the origins whose pages may
// connect. It keeps no state per client and imports nothing of Hubwire.
//
// # Tokens
//
// A [Keyring] seals text for one [Purpose] and opens what it sealed: a token is
// base64url(HMAC-SHA-256 || text), with a key of its own for each purpose, so
// that a groups token can never pass for a connection token. The first key
// seals and all keys open. To change keys, put the new one in front on every
// node, and take the old one away when its clients are gone:
//
//	NewKeyring(old)           // before
//	NewKeyring(old, new)      // everywhere: every node can open the new ones
//	NewKeyring(new, old)      // everywhere: the new key seals
//	NewKeyring(new)           // after the longest connection
//
// What tokens do not do:
//
//   - They are signed, not encrypted. Who holds a token can read the user name
//     and the group names in it.
//   - They do not expire, and there is no list of revoked ones: a token is good
//     as long as its key is. A connection token is useless without the
//     credentials of its user, which are checked on each request.
//   - A groups token says that the connection was in those groups once. A
//     client may present an older one again. What it may still join is for the
//     application to say, when the groups are restored.
//   - They are no proof of anything for a user without a name: the connection
//     token is then all that it takes, so it is a secret.
//
// # Origins
//
// [Origins] applies one rule to every request, WebSocket upgrades included. A
// browser leaves the Origin header off where it thinks that no script can read
// the answer: images, script tags (JSONP with them), frames. Those requests
// cannot be told from those of other programs and pass.
//
// # Concurrency
//
// All functions and methods may be called from any goroutine. Values do not
// change after their constructors have returned.
package negotiate
