package negotiate

import (
	"strconv"
	"strings"
)

// maxVersionText is room for four 31-bit numbers and three points.
const maxVersionText = 4*10 + 3

// A Version is a resolved version of the classic protocol, from 1.2 to 2.0. Two
// to four numbers make one, and 1.5 is not 1.5.0.
type Version struct {
	parts [4]int
	n     int
}

var (
	minVersion = Version{parts: [4]int{1, 2}, n: 2}
	maxVersion = Version{parts: [4]int{2, 0}, n: 2}
)

// ResolveVersion returns the version to speak with a client that asks for
// clientProtocol: that one where it is from 1.2 to 2.0, else the nearer end of
// the range. What is missing or no version counts as 1.2. The answer has as
// many components as the question, since old clients compare text.
func ResolveVersion(clientProtocol string) Version {
	v, ok := parseVersion(clientProtocol)
	switch {
	case !ok || !v.AtLeast(1, 2):
		return minVersion
	case v.AtLeast(2, 1), v.AtLeast(2, 0) && v.n > 2:
		return maxVersion // 2.0.0 is above 2.0 for the reference server.
	}
	return v
}

func parseVersion(s string) (v Version, ok bool) {
	if len(s) > maxVersionText {
		return Version{}, false
	}
	for part := range strings.SplitSeq(s, ".") {
		number, err := strconv.ParseUint(part, 10, 31)
		if err != nil || v.n == len(v.parts) {
			return Version{}, false
		}
		v.parts[v.n] = int(number)
		v.n++
	}
	return v, v.n >= 2
}

// AtLeast reports whether v is major.minor or later.
func (v Version) AtLeast(major, minor int) bool {
	if v.parts[0] != major {
		return v.parts[0] > major
	}
	return v.parts[1] >= minor
}

// String returns the numbers with points between, for example "1.5".
func (v Version) String() string {
	b := make([]byte, 0, maxVersionText)
	for i, number := range v.parts[:v.n] {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendInt(b, int64(number), 10)
	}
	return string(b)
}
