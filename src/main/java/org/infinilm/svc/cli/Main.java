package org.infinilm.svc.cli;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.infinilm.svc.babysitter.BabysitterProgram;
import org.infinilm.svc.bench.BenchProgram;
import org.infinilm.svc.comparison.Compare;
import org.infinilm.svc.config.Lifetime;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.deploy.DownProgram;
import org.infinilm.svc.deploy.StatusProgram;
import org.infinilm.svc.deploy.UpProgram;
import org.infinilm.svc.deploy.UsageProgram;
import org.infinilm.svc.deploy.ValidateProgram;
import org.infinilm.svc.engine.EngineProgram;
import org.infinilm.svc.evaluation.EvaluateProgram;
import org.infinilm.svc.evaluation.ReplayProgram;
import org.infinilm.svc.picker.PickerProgram;
import org.infinilm.svc.pictures.Plot;
import org.infinilm.svc.registry.RegistryProgram;
import org.infinilm.svc.router.RouterProgram;
import org.infinilm.svc.simulator.SimulateProgram;
import org.infinilm.svc.tls.CertDevProgram;
import org.infinilm.svc.top.ExplainProgram;
import org.infinilm.svc.top.InstancePrograms;
import org.infinilm.svc.top.TopProgram;
import org.infinilm.svc.workload.GenAccumulateContext;
import org.infinilm.svc.workload.GenLargeContext;

/// `infini`: finds the program that the arguments name and runs it.
public final class Main {
  /// Every command, in the order of `--help`. A room adds its program here.
  static final List<Program> PROGRAMS =
      programs(
          UpProgram.of(
              RegistryProgram.PROGRAM,
              RouterProgram.PROGRAM,
              BabysitterProgram.PROGRAM,
              EngineProgram.PROGRAM,
              SimulateProgram.PROGRAM),
          DownProgram.PROGRAM,
          StatusProgram.PROGRAM,
          ValidateProgram.PROGRAM,
          RegistryProgram.PROGRAM,
          RegistryProgram.DRAIN,
          RouterProgram.PROGRAM,
          PickerProgram.PROGRAM,
          TopProgram.PROGRAM,
          ExplainProgram.PROGRAM,
          UsageProgram.PROGRAM,
          SimulateProgram.PROGRAM,
          EngineProgram.PROGRAM,
          BabysitterProgram.PROGRAM,
          BenchProgram.PROGRAM,
          GenLargeContext.PROGRAM,
          GenAccumulateContext.PROGRAM,
          Compare.PROGRAM,
          Plot.PROGRAM,
          EvaluateProgram.PROGRAM,
          ReplayProgram.PROGRAM,
          RouterProgram.KEY_NEW,
          CertDevProgram.PROGRAM,
          ConfigCheck.PROGRAM,
          ConfigSchema.PROGRAM,
          Completion.PROGRAM,
          Manual.PROGRAM,
          StartCache.PROGRAM);

  private static List<Program> programs(Program... ours) {
    return Stream.concat(Stream.of(ours), InstancePrograms.PROGRAMS.stream()).toList();
  }

  private Main() {}

  /// @param args the command and its arguments; `infini.program` names the command when a drop-in
  ///   executable was called
  public static void main(String[] args) {
    StandardOutput out = StandardOutput.install();
    int code = run(args, System.getenv());
    System.out.flush();
    Lifetime.exit(out.code(code, System.err));
  }

  static int run(String[] args, Map<String, String> env) {
    String dropIn = System.getProperty("infini.program", "");
    String[] all = args;
    if (!dropIn.isEmpty()) {
      all = new String[args.length + 1];
      all[0] = dropIn;
      System.arraycopy(args, 0, all, 1, args.length);
    }
    return new CommandLineParser(PROGRAMS, env).run(Arrays.asList(all));
  }
}
