#:project ../src/Tessera.Onnx/Tessera.Onnx.csproj

// Names pictures by those that are most like them in a folder of examples, which has one folder for each class. Nothing is trained.
//
//     dotnet run name-pictures.cs -- examples/ cat.jpg dog.jpg

using Tessera.Embeddings;
using Tessera.Imaging;
using Tessera.Onnx;

if (args is not [var examples, _, ..] || !Directory.Exists(examples))
{
    Console.Error.WriteLine("usage: name-pictures.cs EXAMPLES PICTURE...");
    return 2;
}
string[] pictures = args[1..];
string[] classes = [.. Directory.GetDirectories(examples).Order(StringComparer.Ordinal)];
(string File, int Label)[] known = [.. classes.SelectMany((folder, label) => Directory.GetFiles(folder).Order(StringComparer.Ordinal).Select(file => (file, label)))];
if (known.Length == 0)
{
    Console.Error.WriteLine($"{examples} holds no folder with pictures: make one for each class");
    return 1;
}

try
{
    using var embedder = new ImageEmbedder(); // the model that ships
    VectorSet set = embedder.Embed([.. known.Select(example => example.File)]);
    var labelled = new LabelledVectors(set.Vectors.Values, set.Width, [.. known.Select(example => example.Label)]);
    var index = new VectorIndex(new VectorSet(labelled, set.Names, [.. classes.Select(folder => Path.GetFileName(folder))], set.Origin));

    foreach (var (picture, near) in pictures.Zip(index.Search(embedder.Embed(pictures), KnnClassifier.Standard)))
    {
        // The neighbours vote, the nearer ones with more weight.
        var votes = near.GroupBy(found => found.Class, found => Math.Exp(found.Similarity / KnnClassifier.Temperature)).ToDictionary(vote => vote.Key!, vote => vote.Sum());
        var winner = votes.MaxBy(vote => vote.Value);
        Console.WriteLine($"{picture}: {winner.Key} ({winner.Value / votes.Values.Sum():p0})");
    }
    return 0;
}
catch (ImagingException e)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
