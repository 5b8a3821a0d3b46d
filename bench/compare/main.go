// Command compare runs servers side by side under the same load, and prints
// what each costs next to its reference.
//
//	go run ./compare                     all measures, 3 rounds
//	go run ./compare -run echo -d 2s     some of them
//
// The runs are interleaved: reference, candidate, reference, candidate, since
// no two minutes of a machine are alike. Each side has a core of its own where
// the machine has two and taskset. It must run in the folder of the module.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("compare: ")
	pattern := flag.String("run", ".", "`regexp` of measures")
	rounds := flag.Int("rounds", 3, "runs of each server")
	duration := flag.Duration("d", 2*time.Second, "measured time of a run")
	chart := flag.String("svg", "", "`file` for a chart")
	flag.Parse()
	re, err := regexp.Compile(*pattern)
	if err != nil {
		log.Fatal(err)
	}
	b, err := build()
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(b.dir)
	var results []result
	for _, m := range measures {
		if !re.MatchString(m.name) {
			continue
		}
		r := result{measure: m}
		for range *rounds {
			for i := range m.sides {
				r.runs[i] = append(r.runs[i], b.run(m, i, *duration))
			}
		}
		results = append(results, r)
		r.print(os.Stdout)
	}
	for _, g := range growths {
		if re.MatchString(g.name) {
			g.print(os.Stdout, b, *duration)
		}
	}
	if *chart != "" {
		if err := os.WriteFile(*chart, drawChart(results), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

// A builder has the programs.
type builder struct {
	dir          string
	pin          bool
	server, load string
}

func build() (*builder, error) {
	dir, err := os.MkdirTemp("", "hubwire-bench")
	if err != nil {
		return nil, err
	}
	b := &builder{dir: dir, server: filepath.Join(dir, "server"), load: filepath.Join(dir, "load")}
	for _, name := range []string{"server", "load"} {
		if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, name), "./"+name).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build ./%s: %w\n%s", name, err, out)
		}
	}
	b.pin = exec.Command("taskset", "-c", "1", "true").Run() == nil
	if !b.pin {
		log.Print("the machine has one core, or no taskset: the sides are not pinned")
	}
	return b, nil
}

// command is a program on the core.
func (b *builder) command(core string, args ...string) *exec.Cmd {
	if b.pin {
		args = append([]string{"taskset", "-c", core}, args...)
	}
	return exec.Command(args[0], args[1:]...)
}
