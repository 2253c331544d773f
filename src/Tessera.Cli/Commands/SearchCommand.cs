using System.CommandLine;
using Tessera.Cli.Console;
using Tessera.Embeddings;
using Tessera.Evaluation;
using Tessera.Imaging;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera search</c>: the pictures that are most like some others.</summary>
internal static class SearchCommand
{
    public static Verb Build(Terminal terminal)
    {
        var command = new Verb("search", "Find the pictures of a source, or the vectors of a file, that are most like some pictures.",
            "tessera search --model tessera-tiny --data pictures/ cat.jpg -o like-the-cat.png",
            "tessera search --model tessera-tiny --index vectors.parquet cat.jpg");
        var queries = CommonOptions.FileArgument<string[]>("IMAGE", "Picture files");
        queries.Arity = ArgumentArity.OneOrMore;
        var options = new EmbeddingOptionSet(isDataRequired: false);
        var index = CommonOptions.Value<string?>("--index", "FILE", "Vectors that tessera embed wrote with the same model, in place of --data");
        var count = CommonOptions.Value<int?>("--count", "N", "How many for each picture [default: 8]");
        var output = CommonOptions.Value<string?>("--out", "FILE", "A PNG file that shows them; needs --data");
        output.Aliases.Add("-o");
        command.Add(queries);
        options.AddTo(command);
        foreach (var option in new Option[] { index, count, output }) command.Add(option);
        command.SetAction(parsed =>
        {
            var (wanted, sheet, file) = (parsed.GetValue(count) ?? 8, parsed.GetValue(output), parsed.GetValue(index));
            if (wanted < 1) throw new UsageException("--count must be at least 1.");
            if (file is null == !options.NamesData(parsed)) throw new UsageException("Name where to search: --data SOURCE, or --index FILE.");
            if (sheet is not null && file is not null) throw new UsageException("--out draws pictures, and --index has none: search in --data.");
            if (sheet is not null) CommonOptions.PngBeside(parsed.GetValue(queries)!, sheet);

            using var signals = new InterruptSignals(terminal);
            using var encoder = options.Load(parsed);
            var files = parsed.GetValue(queries)!;
            var asked = encoder.Embed(files, signals.Token);
            ImageSet? images = null;
            var pictures = Array.Empty<int>();
            if (file is null) (images, pictures) = options.Open(terminal, parsed, encoder, signals.Token);
            using var owned = images;
            var set = file is null ? null : VectorFile.Read(file);
            if (images is not null) (set, pictures) = options.Vectors(terminal, parsed, encoder, images, pictures, signals.Token);
            var known = new VectorIndex(set!);
            var results = known.Search(asked, wanted, signals.Token).Zip(files, (found, query) => new SearchResult(query, found)).ToList();
            foreach (var (query, found) in results)
            {
                terminal.Say(query);
                foreach (var near in found) terminal.Say(FormattableString.Invariant($"  {near.Similarity:f3}  {near.Name}{(near.Class is { } name ? $"  {name}" : "")}"));
            }
            if (sheet is not null)
            {
                NeighbourSheet.Save(sheet, images!, pictures, results, encoder.Shape);
                terminal.Say(Path.GetFullPath(sheet));
            }
            terminal.Result(results);
            return ExitCode.Done;
        });
        return command;
    }
}
