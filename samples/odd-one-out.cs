#:project ../src/Tessera.Onnx/Tessera.Onnx.csproj

// The odd one of a folder: its pictures by how far they stand from those that are most like them.
//
//     dotnet run odd-one-out.cs -- pictures/

using Tessera.Embeddings;
using Tessera.Imaging;
using Tessera.Onnx;

if (args is not [var folder] || !Directory.Exists(folder))
{
    Console.Error.WriteLine("usage: odd-one-out.cs FOLDER");
    return 2;
}

try
{
    using var embedder = new ImageEmbedder(); // the model that ships
    string[] files = [.. Directory.GetFiles(folder).Order(StringComparer.Ordinal)];
    VectorSet set = embedder.Embed(files);
    Neighbours near = NearestNeighbours.Among(set.Vectors, 3); // three, so that two odd ones that are alike do not hide each other

    foreach (var outlier in Outliers.Rank(near).Take(5))
        Console.WriteLine($"{outlier.Distance:f3} {Path.GetFileName(set.Names[outlier.Row])}");
    return 0;
}
catch (ImagingException e)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
