using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Console;
using Tessera.Data;
using Tessera.Imaging;
using Tessera.Runtime;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera data</c>: get, pack, shard and check data sets.</summary>
internal static class DataCommand
{
    private const int ShownDuplicates = 10;

    public static Verb Build(Terminal terminal)
    {
        var command = new Verb("data", "Get, pack, shard and check data sets.");
        command.Add(Inspect(terminal));
        command.Add(Pack(terminal));
        command.Add(Shard(terminal));
        command.Add(Fetch(terminal));
        return command;
    }

    private static Verb Inspect(Terminal terminal)
    {
        var command = new Verb("inspect", "Read every picture of a source and print counts, sizes, channels, classes, broken and doubled files.",
            "tessera data inspect pictures/");
        var source = Source();
        command.Add(source);
        command.SetAction(parsed =>
        {
            using var signals = new InterruptSignals(terminal);
            var opened = Open(terminal, parsed.GetValue(source)!, signals.Token);
            using var release = opened as IDisposable;
            var report = ProgressBar.While(terminal, "reading", progress => DataSetInspection.Inspect(
                opened, new Relay<PackProgress>(p => progress.Report((p.Done, p.Total, ""))), signals.Token));
            Tell(terminal, report);
            terminal.Result(report);
            return ExitCode.Done;
        });
        return command;
    }

    private static Verb Pack(Terminal terminal)
    {
        var command = new Verb("pack", "Decode a source once into a .tessera file, which every verb takes as a source.",
            "tessera data pack pictures/ --image-size 64 -o pictures.tessera");
        var source = Source();
        var size = CommonOptions.Value<string?>("--image-size", "S|HxW", "Size of the pictures in pixels [default: 64]");
        var channels = CommonOptions.Value<int?>("--channels", "1|3", "Grey or RGB [default: 3]");
        var output = new Option<string>("--out", "-o") { Description = "The file to write", Required = true, HelpName = "FILE" };
        command.Add(source);
        foreach (var option in new Option[] { size, channels, output }) command.Add(option);
        command.SetAction(parsed =>
        {
            using var signals = new InterruptSignals(terminal);
            var file = CommonOptions.FileEndingWith(".tessera", parsed.GetValue(output)!);
            var shape = Shape(parsed.GetValue(size) ?? "64", parsed.GetValue(channels) ?? 3);
            var opened = Open(terminal, parsed.GetValue(source)!, signals.Token);
            using var release = opened as IDisposable;
            using var images = ProgressBar.Open(terminal, progress => PackedImages.Pack(opened, shape, file, progress, signals.Token));
            BrokenPictures.Tell(terminal, images.Broken);
            var (training, test) = (images.TestStart, images.Count - images.TestStart);
            terminal.Say($"{training} pictures for training, {test} for testing, {images.ClassNames.Count} classes: {images.File}");
            terminal.Result(new Packed(
                images.File, training, test, images.ClassNames, images.Broken, images.Mean, images.StandardDeviation));
            return ExitCode.Done;
        });
        return command;
    }

    private static Verb Shard(Terminal terminal)
    {
        var command = new Verb("shard", "Write tar shards of a source, as WebDataset reads them: train-000000.tar, …, val-000000.tar, … and classes.txt.",
            "tessera data shard pictures/ -o shards/ --size 1GB");
        var source = Source();
        var output = new Option<string>("--out", "-o") { Description = "The folder to write into, without shards yet", Required = true, HelpName = "DIR" };
        var size = CommonOptions.Value<string?>("--size", "SIZE", "Size of a shard, such as 500MB [default: 1GB]");
        command.Add(source);
        foreach (var option in new Option[] { output, size }) command.Add(option);
        command.SetAction(parsed =>
        {
            using var signals = new InterruptSignals(terminal);
            var bytes = Size(parsed.GetValue(size)) ?? DataSetShards.UsualSize;
            var opened = Open(terminal, parsed.GetValue(source)!, signals.Token);
            using var release = opened as IDisposable;
            var report = ProgressBar.While(terminal, "writing", progress => DataSetShards.Write(
                opened, parsed.GetValue(output)!, bytes, new Relay<PackProgress>(p => progress.Report((p.Done, p.Total, ""))), signals.Token));
            BrokenPictures.Tell(terminal, report.Broken);
            terminal.Say($"{report.Shards.Count} shards, {report.Training} pictures for training, {report.Test} for testing, {report.Classes.Count} classes: {report.Folder}");
            terminal.Result(report);
            return ExitCode.Done;
        });
        return command;
    }

    private static Verb Fetch(Terminal terminal)
    {
        var command = new Verb("fetch", "Download a data set, check it and unpack it. A download that broke off is resumed.",
            "tessera data fetch tiny-imagenet -o data/");
        var name = new Argument<string>("NAME") { Description = string.Join(", ", DataSetArchive.Known.Select(a => a.Name)) };
        name.AcceptOnlyFromAmong([.. DataSetArchive.Known.Select(a => a.Name)]);
        var output = new Option<string>("--out", "-o") { Description = "The folder to unpack into", DefaultValueFactory = _ => "data", HelpName = "DIR" };
        var address = CommonOptions.Value<string?>("--address", "URL", "Where to get it [default: the publisher's]");
        var md5 = new Option<string?>("--md5") { Description = "MD5 of the archive [default: the publisher's]", HelpName = "HEX" };
        command.Add(name);
        foreach (var option in new Option[] { output, address, md5 }) command.Add(option);
        command.SetAction(parsed =>
        {
            using var signals = new InterruptSignals(terminal);
            var known = DataSetArchive.Find(parsed.GetValue(name)!);
            var archive = known with { Address = Address(parsed.GetValue(address)) ?? known.Address, Md5 = parsed.GetValue(md5) ?? known.Md5 };
            using var client = new HttpClient { Timeout = Timeout.InfiniteTimeSpan };
            var folder = ProgressBar.While(terminal, archive.Name, progress =>
            {
                var relay = new Relay<FetchProgress>(p => progress.Report((p.BytesDone, p.BytesTotal ?? 0, CommonOptions.Word(p.Stage))));
                return DataSetFetch.FetchAsync(archive, parsed.GetValue(output)!, client, relay, signals.Token).GetAwaiter().GetResult();
            });
            terminal.Say(folder);
            terminal.Result(new Fetched(archive.Name, folder));
            return ExitCode.Done;
        });
        return command;
    }

    private static Argument<string[]> Source()
    {
        var source = CommonOptions.FileArgument<string[]>("SOURCE", $"{CommonOptions.SourceWords}; several make one set");
        source.Arity = ArgumentArity.OneOrMore;
        return source;
    }

    private static ImageSource Open(Terminal terminal, string[] sources, CancellationToken cancellation) => ProgressBar.While(terminal, "indexing", progress =>
        ImageSource.Open(ImageSource.Join(sources), CommonOptions.DefaultCache, new Relay<PackProgress>(p => progress.Report((p.Done, p.Total, "shards"))), cancellation));

    /// <summary>Bytes, by thousands as disks are sold; null: not given.</summary>
    private static long? Size(string? text)
    {
        if (text is null) return null;
        var unit = Array.FindIndex(["KB", "MB", "GB"], ending => text.EndsWith(ending, StringComparison.OrdinalIgnoreCase));
        var number = unit < 0 ? text : text[..^2];
        return double.TryParse(number.Trim(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value) && value * Math.Pow(1000, unit + 1) is >= 1 and < long.MaxValue and var bytes
            ? (long)bytes : throw new UsageException($"--size is '{text}': write a size such as 500MB or 1GB.");
    }

    private static ImageShape Shape(string size, int channels)
    {
        if (channels is not (1 or 3)) throw new UsageException($"--channels is {channels}: pictures have 1 or 3.");
        try
        {
            var (height, width) = new DataOptions { ImageSize = size }.Size;
            return new ImageShape(channels, height, width);
        }
        catch (FormatException e)
        {
            throw new OptionsException([e.Message]);
        }
    }

    private static Uri? Address(string? text) => text is null ? null
        : Uri.TryCreate(text, UriKind.Absolute, out var address) && address.Scheme is "http" or "https" ? address
        : throw new UsageException($"--address is '{text}': write an address that begins with http:// or https://.");

    private static void Tell(Terminal terminal, InspectionReport report)
    {
        terminal.Say($"{report.Kind}: {report.Location}");
        terminal.Say($"pictures: {report.Training} for training, {report.Test} for testing, {report.Unlabelled} without a label");
        terminal.Say($"held out: {HeldOut(report)}");
        if (report is { SmallestClass: { } smallest, LargestClass: { } largest })
        {
            var range = $"{smallest.Training} ({smallest.Title}) to {largest.Training} ({largest.Title})";
            terminal.Say($"classes:  {report.Classes.Count}, {range} training pictures each");
        }
        if (report is { Width: { } width, Height: { } height })
            terminal.Say($"sizes:    {Words(width)} wide, {Words(height)} high");
        terminal.Say($"channels: {string.Join(", ", report.Channels.OrderBy(c => c.Key).Select(c => $"{c.Value} with {c.Key}"))}");
        terminal.Say($"formats:  {string.Join(", ", report.Formats.OrderByDescending(f => f.Value).Select(f => $"{f.Value} {f.Key}"))}");
        terminal.Say($"broken:   {report.Broken.Count}");
        foreach (var picture in report.Broken) terminal.Say($"  {picture.Name} {picture.Reason}");
        terminal.Say($"doubled:  {report.Duplicates.Count} groups, {report.Leaks.Count} of them in training and test pictures");
        foreach (var group in report.Leaks.Concat(report.Duplicates.Except(report.Leaks)).Take(ShownDuplicates)) terminal.Say($"  {string.Join(" = ", group)}");
        if (report.Duplicates.Count > ShownDuplicates) terminal.Say("  … (all with --json)");
    }

    /// <summary>What a training on this source measures on: see <see cref="DataSplit"/>.</summary>
    private static string HeldOut(InspectionReport report) => report.Test > 0
        ? $"the {report.Test} for testing"
        : "about a twentieth of these, each by its name, when a model is trained (pretrain --seed draws others)";

    private static string Words(SizeRange range) =>
        range.Smallest == range.Largest ? $"{range.Smallest}" : $"{range.Smallest} to {range.Largest} (median {range.Median})";

    private sealed record Packed(
        string File, int Training, int Test, IReadOnlyList<string> Classes, IReadOnlyList<BrokenImage> Broken,
        IReadOnlyList<double> Mean, IReadOnlyList<double> StandardDeviation);

    private sealed record Fetched(string Name, string Folder);
}
