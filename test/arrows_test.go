// Package test holds what concerns the project as a whole: the import arrows,
// and in browser/ the tests that drive a real server with real clients.
package test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/hubwire/hubwire/"
	root   = ".."
)

// mayImport says which of our packages a package may import. A package that is
// not named here is held to the entry of the folder above it; a trailing slash
// stands for a package and all below it.
var mayImport = map[string][]string{
	"negotiate":                      nil,
	"transports":                     nil,
	"transports/transporttest":       {"transports"},
	"hub/core":                       {"hub/codec", "hub/internal/flatjson", "negotiate", "persistent/core", "persistent/dialect", "persistent/messagelog"},
	"jsclient":                       nil,
	"persistent":                     {"persistent/", "negotiate/", "transports/"},
	"persistent/messagelog":          nil,
	"persistent/dialect":             {"persistent/messagelog", "negotiate", "transports"},
	"persistent/classic":             {"persistent/dialect", "persistent/messagelog", "negotiate", "transports"},
	"persistent/core":                {"persistent/dialect", "persistent/messagelog", "negotiate", "transports"},
	"persistent/classic/classictest": {""},
	"persistent/core/coretest":       {""},
	"hub":                            {"hub/", "persistent/", "negotiate/", "transports/", "jsclient"},
	"hub/internal/flatjson":          nil,
	"hub/codec":                      {"persistent/dialect", "persistent/messagelog"},
	"hub/classic":                    {"hub/codec", "hub/internal/flatjson", "negotiate", "persistent/classic", "persistent/dialect", "persistent/messagelog"},
	"examples":                       {""},
	"bench":                          {""},
	"client":                         {""},
	"test":                           {""},
}

func TestImportsPointDown(t *testing.T) {
	for pkg, imports := range ownImports(t) {
		allowed, known := rule(pkg)
		if !known {
			t.Errorf("%s is in no folder that this test knows: give it a place in mayImport", pkg)
			continue
		}
		for _, imported := range imports {
			if !permits(allowed, imported) {
				t.Errorf("%s imports %s: it may import only %q of ours", pkg, imported, allowed)
			}
		}
	}
}

// ownImports returns, for each package of the module, what it imports of the
// module, tests left aside. It reads the files itself, so that go test knows
// which files its cached answer rests on.
func ownImports(t *testing.T) map[string][]string {
	t.Helper()
	own := make(map[string][]string)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && notOurs(path, entry.Name()):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		imports, err := importsOf(path)
		pkg := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), root+"/")
		own[pkg] = append(own[pkg], imports...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return own
}

// notOurs reports folders without packages of this module.
func notOurs(path, name string) bool {
	if path == root {
		return false
	}
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	return err == nil || name == "node_modules" || name == "testdata" || name[0] == '.' || name[0] == '_'
}

// importsOf returns what a file imports of the module.
func importsOf(file string) ([]string, error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var ours []string
	for _, spec := range parsed.Imports {
		if path, ok := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module); ok {
			ours = append(ours, path)
		}
	}
	return ours, nil
}

// rule returns the entry of pkg or of the nearest folder above it.
func rule(pkg string) (allowed []string, known bool) {
	for pkg != "" {
		if allowed, known = mayImport[pkg]; known {
			return allowed, true
		}
		pkg = pkg[:max(0, strings.LastIndexByte(pkg, '/'))]
	}
	return nil, false
}

func permits(allowed []string, imported string) bool {
	return slices.ContainsFunc(allowed, func(a string) bool {
		if a == "" {
			return true
		}
		folder, tree := strings.CutSuffix(a, "/")
		return imported == folder || tree && strings.HasPrefix(imported, a)
	})
}
