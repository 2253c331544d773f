#:project ../src/Tessera.Onnx/Tessera.Onnx.csproj
#:package DuckDB.NET.Data.Full

// Vectors of a folder in a database that is one file, and a search in SQL. Pictures that the database has already are not embedded again.
//
//     dotnet run search-duckdb.cs -- vectors.duckdb pictures/ cat.jpg

using DuckDB.NET.Data;
using Tessera.Embeddings;
using Tessera.Imaging;
using Tessera.Onnx;

if (args is not [var file, var folder, var query] || !Directory.Exists(folder))
{
    Console.Error.WriteLine("usage: search-duckdb.cs DATABASE FOLDER PICTURE");
    return 2;
}

using var embedder = new ImageEmbedder(); // the model that ships
using var database = new DuckDBConnection($"Data Source={file}");
try
{
    database.Open();
    // One table for one model: vectors of different models say nothing beside each other.
    using var create = database.CreateCommand();
    create.CommandText = $"CREATE TABLE IF NOT EXISTS pictures (name VARCHAR PRIMARY KEY, vector FLOAT[{embedder.Width}] NOT NULL)";
    create.ExecuteNonQuery();

    HashSet<string> known = [];
    using var names = database.CreateCommand();
    names.CommandText = "SELECT name FROM pictures";
    using (var rows = names.ExecuteReader())
        while (rows.Read()) known.Add(rows.GetString(0));

    string[] files = [.. Directory.GetFiles(folder).Where(name => !known.Contains(name)).Order(StringComparer.Ordinal)];
    VectorSet added = embedder.Embed(files);
    using (var appender = database.CreateAppender("pictures"))
        for (var row = 0; row < added.Count; row++)
            appender.CreateRow().AppendValue(added.Names[row]).AppendValue(added.Vectors[row].ToArray()).EndRow();
    Console.WriteLine($"{added.Count} pictures added to {known.Count}");

    using var search = database.CreateCommand();
    search.CommandText = $"""
        SELECT name, array_cosine_similarity(vector, CAST($query AS FLOAT[{embedder.Width}])) AS similarity
        FROM pictures ORDER BY similarity DESC, name LIMIT 3
        """;
    search.Parameters.Add(new DuckDBParameter("query", embedder.Embed(query)));
    using var found = search.ExecuteReader();
    while (found.Read()) Console.WriteLine($"{found.GetFloat(1):f3} {found.GetString(0)}");
    return 0;
}
catch (Exception e) when (e is ImagingException or DuckDBException)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
