using Tessera.Benchmarking.Scale;
using Tessera.Cli.Commands;

namespace Tessera.Cli.Console;

/// <summary>Shows what training over several ranks would come to, as a table.</summary>
internal static class ScaleView
{
    public static void Show(Terminal terminal, ScaleReport report)
    {
        var (system, options) = (report.System, report.Options);
        terminal.Say($"a rank is {system.Processor}, {system.Cores} cores, trains on {system.Device}, {CommonOptions.Word(report.Precision)}");
        terminal.Say(Invariant($"{options.Encoder.Model}, {report.Parameters / 1e6:f1} million parameters, {options.Data.ImageSize} pixels, patches of {options.Encoder.PatchSize}, effective batches of {options.Training.EffectiveBatch}"));
        terminal.Say(Invariant($"wire: {report.Wire.Bandwidth * 8 / 1e9:g4} Gbit/s, {report.Wire.Latency * 1e3:g4} ms; buckets of {report.BucketBytes / 1e6:f1} MB, after each of {report.Stages} stages of the backward pass"));
        foreach (var step in report.Measured)
            terminal.Say(Invariant($"measured: {step.Pictures,5} pictures: to the loss and between {step.Forward * 1e3:n1} ms, backward {step.Backward * 1e3:n1} ms in {step.Parts} parts, optimiser {step.Optimizer * 1e3:n1} ms"));
        foreach (var table in report.Rows.GroupBy(r => (r.Scaling, r.Format)))
        {
            terminal.Say("");
            terminal.Say(table.Key.Scaling == Scaling.Strong
                ? $"strong scaling, {CommonOptions.Word(table.Key.Format)} on the wire: the effective batch of {options.Training.EffectiveBatch} is shared out"
                : $"weak scaling, {CommonOptions.Word(table.Key.Format)} on the wire: each rank has {options.Training.EffectiveBatch} pictures");
            terminal.Say($"{"ranks",7} {"pictures",9} {"compute",10} {"reduction",10} {"exposed",10} {"step",10} {"efficiency",10} {"unhidden",9} {"images/s",10}  bottleneck");
            foreach (var row in table)
                terminal.Say(Invariant($"{row.Ranks,7} {row.PicturesPerRank,9:0.###} {Milliseconds(row.Compute)} {Milliseconds(row.Reduction)} {Milliseconds(row.Exposed)} {Milliseconds(row.Step)} {row.Efficiency * 100,8:f1} % {row.EfficiencyUnhidden * 100,7:f1} % {row.ImagesPerSecond,10:n0}  {Word(row.Bottleneck)}"));
            if (table.FirstOrDefault(r => r.PicturesPerRank < 1) is { } idle)
                terminal.Say($"of {idle.Ranks} ranks {idle.Ranks - options.Training.EffectiveBatch} have no picture: the effective batch has {options.Training.EffectiveBatch}");
        }
        terminal.Say("");
        terminal.Say(Line(report));
    }

    private static string Line(ScaleReport report)
    {
        var sharding = report.Sharding;
        var gain = sharding.BestRanks is { } ranks ? Invariant($"shortens the step by {sharding.BestGain * 100:f1} % at best, at {ranks} ranks") : "never shortens the step";
        return Invariant($"sharding the optimiser (ZeRO-1): its state is {sharding.StateBytes / 1e6:n0} MB of a rank's {sharding.MemoryBytes / 1e9:f1} GB, which a model of {sharding.ParametersOfHalfMemory / 1e6:n0} million parameters would fill by half; ")
            + Invariant($"its step takes {sharding.OptimizerSeconds * 1e3:f1} ms, {sharding.ShareOfStep * 100:f1} % of a lone rank's, and sharding {gain} (sending the weights takes less than that from {sharding.BandwidthOfGain * 8 / 1e9:f0} Gbit/s on)");
    }

    private static string Word(Bottleneck bottleneck) => bottleneck switch
    {
        Bottleneck.Pictures => "too few pictures a rank",
        Bottleneck.Latency => "latency",
        Bottleneck.Bandwidth => "bandwidth",
        _ => "-",
    };

    private static string Milliseconds(double seconds) => Invariant($"{seconds * 1e3,7:n1} ms");

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
