package test

import (
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")

// snippetImports are the packages that the pages may use without saying so.
var snippetImports = []string{
	"context", "encoding/json", "errors", "fmt", "iter", "log", "net", "net/http", "os", "os/signal", "syscall", "testing", "time",
	module + "hub", module + "hub/classic", module + "hub/codec", module + "hub/core", module + "hub/hubtest", module + "negotiate", module + "persistent", module + "transports",
}

// The Go of a page, taken together, is a program that compiles.
func TestSnippetsCompile(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "../README.md") {
		t.Run(filepath.Base(page), func(t *testing.T) {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			var code strings.Builder
			for _, block := range goBlock.FindAllSubmatch(text, -1) {
				if _, err := format.Source(block[1]); err != nil {
					t.Errorf("%v in:\n%s", err, block[1])
				}
				code.Write(block[1])
				code.WriteByte('\n')
			}
			if code.Len() > 0 {
				compile(t, code.String())
			}
		})
	}
}

// compile builds the code as a package of this module, in a folder that only
// the compiler sees.
func compile(t *testing.T, code string) {
	t.Helper()
	header := "package main\n\nimport (\n"
	for _, path := range snippetImports {
		if strings.Contains(code, filepath.Base(path)+".") {
			header += "\t\"" + path + "\"\n"
		}
	}
	header += ")\n\n"
	if !strings.Contains(code, "func main()") {
		code += "\nfunc main() {}\n"
	}
	dir, err := os.MkdirTemp(".", "snippets")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "main.go")
	if err := os.WriteFile(file, []byte(header+code), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", os.DevNull, "./"+dir).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, out, header+code)
	}
}
