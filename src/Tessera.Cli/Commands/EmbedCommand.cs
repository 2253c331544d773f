using Tessera.Cli.Console;
using Tessera.Embeddings;
using Tessera.Features;
using Tessera.Figures;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera embed</c>: the vectors of a source's pictures, for other programs.</summary>
internal static class EmbedCommand
{
    public static Verb Build(Terminal terminal)
    {
        var command = new Verb("embed", "Write the vectors of a source's pictures, as the encoder sees them whole: nothing is masked.",
            "tessera embed --model tessera-tiny --data pictures/ -o vectors.parquet",
            "tessera embed --model tessera-tiny --data pictures/ --limit 5000 --projector projector/");
        var options = new EmbeddingOptionSet();
        var output = CommonOptions.Value<string?>("--out", "FILE", $"The file to write: {string.Join(", ", VectorFile.Endings)}");
        output.Aliases.Add("-o");
        var projector = CommonOptions.Value<string?>("--projector", "DIR", "A folder to write for TensorBoard's projector: vectors, names and small pictures");
        options.AddTo(command);
        command.Add(output);
        command.Add(projector);
        command.SetAction(parsed =>
        {
            var (file, folder) = (parsed.GetValue(output), parsed.GetValue(projector));
            if (file is null && folder is null) throw new UsageException("Nothing would be written: name a file with --out, or a folder with --projector.");
            if (file is not null && !VectorFile.Endings.Any(ending => file.EndsWith(ending, StringComparison.OrdinalIgnoreCase)))
                throw new UsageException($"--out is '{file}': name a file that ends in {string.Join(", ", VectorFile.Endings)}.");
            using var signals = new InterruptSignals(terminal);
            using var encoder = options.Load(parsed);
            var (images, meant) = options.Open(terminal, parsed, encoder, signals.Token);
            using var owned = images;
            var (set, pictures) = options.Vectors(terminal, parsed, encoder, images, meant, signals.Token);
            if (file is not null)
            {
                Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(file))!);
                VectorFile.Write(file, set);
                terminal.Say($"{set.Count} vectors of {set.Width} values, {encoder.Kind}: {Path.GetFullPath(file)}");
            }
            if (folder is not null)
            {
                ProjectorFolder.Write(folder, set, row => RgbImage.Of(images, pictures[row]));
                terminal.Say($"for TensorBoard's projector (tensorboard --logdir {folder}): {Path.GetFullPath(folder)}");
            }
            terminal.Result(new Embedded(set.Count, set.Width, set.Origin!, file is null ? null : Path.GetFullPath(file), folder is null ? null : Path.GetFullPath(folder)));
            return ExitCode.Done;
        });
        return command;
    }

    private sealed record Embedded(int Vectors, int Width, VectorOrigin Origin, string? File, string? Projector);
}
