package negotiate

import (
	"bytes"
	"fmt"

	json "github.com/goccy/go-json"
)

var errOtherConnection = fmt.Errorf("%w: made for another connection", ErrBadToken)

// GroupsToken returns the token that proves that the connection is in the
// groups. The id must have no colon in it. Its length grows with the groups,
// and clients carry it in URLs.
func (k *Keyring) GroupsToken(connectionID string, groups []string) string {
	if groups == nil {
		groups = []string{}
	}
	names, _ := json.Marshal(groups) // A []string always has a JSON form.
	plain := make([]byte, 0, len(connectionID)+1+len(names))
	plain = append(plain, connectionID...)
	plain = append(plain, ':')
	return k.Seal(GroupsPurpose, append(plain, names...))
}

// OpenGroupsToken returns the groups in a groups token of the connection. The
// error is [ErrBadToken] or wraps it, also where the token is fine but another
// connection's.
func (k *Keyring) OpenGroupsToken(token, connectionID string) (groups []string, err error) {
	plain, err := k.Open(GroupsPurpose, token)
	if err != nil {
		return nil, err
	}
	id, names, ok := bytes.Cut(plain, []byte{':'})
	if !ok {
		return nil, ErrBadToken
	}
	if !equalFold(string(id), connectionID) {
		return nil, errOtherConnection
	}
	if err := json.Unmarshal(names, &groups); err != nil {
		return nil, ErrBadToken
	}
	return groups, nil
}
